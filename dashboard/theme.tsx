/** Light or dark: as the system has it, or as chosen here. */
import { useState } from 'preact/hooks';

const KEPT = 'warmline.theme';
const CHOICES = ['auto', 'light', 'dark'] as const;
type Choice = (typeof CHOICES)[number];

const NAMES: Readonly<Record<Choice, string>> = {
  auto: '◐ Auto',
  light: '☀ Light',
  dark: '☾ Dark',
};

function kept(): Choice {
  const word = localStorage.getItem(KEPT);
  return CHOICES.find((choice) => choice === word) ?? 'auto';
}

export function applyTheme(choice: Choice = kept()): void {
  if (choice === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}

export function ThemeSwitch() {
  const [choice, setChoice] = useState(kept);
  const next = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length] ?? 'auto';
  const press = () => {
    localStorage.setItem(KEPT, next);
    applyTheme(next);
    setChoice(next);
  };
  return (
    <button
      type="button"
      class="quiet theme"
      aria-label={`Colours: ${choice}. Change to ${next}`}
      onClick={press}
    >
      {NAMES[choice]}
    </button>
  );
}
