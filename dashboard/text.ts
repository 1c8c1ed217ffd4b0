/** How figures and times read. Pure. */

const UNITS: readonly (readonly [ms: number, name: string])[] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
];

/** `4.2 s`, `3 min 5 s`, `2 h 10 min`: the two units that say most. Never negative. */
export function duration(ms: number): string {
  const some = Math.max(0, ms);
  if (some < 1_000) return `${Math.round(some)} ms`;
  if (some < 10_000) return `${(Math.floor(some / 100) / 10).toFixed(1)} s`;
  const at = UNITS.findIndex(([unit]) => some >= unit);
  const [unit, name] = UNITS[at] ?? [1_000, 's'];
  const next = UNITS[at + 1];
  const whole = Math.floor(some / unit);
  const rest = next === undefined ? 0 : Math.floor((some - whole * unit) / next[0]);
  return rest === 0 || next === undefined
    ? `${whole} ${name}`
    : `${whole} ${name} ${rest} ${next[1]}`;
}

/** As `duration`, in whole seconds: for what counts up before one's eyes. */
export function age(ms: number): string {
  return ms < 1_000 ? 'now' : duration(Math.floor(ms / 1_000) * 1_000).replace('.0 s', ' s');
}

export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** Of this place, with the day when it is not today's. */
export function clockTime(us: number, nowUs: number): string {
  const at = new Date(us / 1000);
  const time = at.toLocaleTimeString('en-GB');
  const isToday = at.toDateString() === new Date(nowUs / 1000).toDateString();
  return isToday
    ? time
    : `${at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })} ${time}`;
}

export function bytes(value: number): string {
  return value < 1_048_576
    ? `${Math.round(value / 1024)} KiB`
    : `${Math.round(value / 1_048_576)} MiB`;
}

/** `3 questions`, `1 question`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}
