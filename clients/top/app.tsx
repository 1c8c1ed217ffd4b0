/** The view as ink draws it, and the keys as it hears them. */
import { Box, type Key as InkKey, Text, useInput } from 'ink';
import { cellText, type Line } from './cells.js';
import type { Key } from './model.js';

interface AppProps {
  readonly lines: readonly Line[];
  readonly colours: boolean;
  readonly onKey: (key: Key) => void;
}

export function App({ lines, colours, onKey }: AppProps) {
  useInput((input, key) => {
    for (const each of keysOf(input, key)) onKey(each);
  });
  return <Box flexDirection="column">{lines.map((line, row) => rowOf(line, row, colours))}</Box>;
}

function rowOf(line: Line, row: number, colours: boolean) {
  const spans = line.map(({ text, colour, bold, dim, inverse }, index) => (
    <Text
      // biome-ignore lint/suspicious/noArrayIndexKey: a piece is where it is, and nothing else
      key={index}
      {...(colours && colour ? { color: colour } : {})}
      bold={bold === true}
      dimColor={dim === true}
      inverse={inverse === true}
    >
      {text}
    </Text>
  ));
  return (
    <Text key={row} wrap="truncate-end">
      {spans.length === 0 ? ' ' : spans}
    </Text>
  );
}

const NAMED = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['pageUp', 'pageUp'],
  ['pageDown', 'pageDown'],
  ['home', 'home'],
  ['end', 'end'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['return', 'enter'],
  ['escape', 'escape'],
  ['backspace', 'backspace'],
  // Most terminals send what is called "delete" here for the key above enter.
  ['delete', 'backspace'],
] as const;

/** What a terminal sends for keys that ink tells apart only when they come alone. */
const SENT: ReadonlyMap<string, Key> = new Map([
  ['\t', { key: 'tab' }],
  ['\r', { key: 'enter' }],
  ['\n', { key: 'enter' }],
  ['\b', { key: 'backspace' }],
  ['\u007f', { key: 'backspace' }],
  ['\u0003', { key: 'quit' }],
  ['\u001a', { key: 'suspend' }],
]);

/** What is typed quickly, or pasted, comes in one piece. */
function keysOf(input: string, key: InkKey): Key[] {
  if (key.ctrl) {
    if (input === 'c') return [{ key: 'quit' }];
    return input === 'z' ? [{ key: 'suspend' }] : [];
  }
  if (key.tab) return [{ key: key.shift ? 'backTab' : 'tab' }];
  const named = NAMED.find(([name]) => key[name]);
  if (named) return [{ key: named[1] }];
  return key.meta ? [] : [...input].flatMap((char) => SENT.get(char) ?? charKey(char));
}

function charKey(given: string): Key[] {
  const char = cellText(given);
  return char === '' ? [] : [{ key: 'char', char }];
}
