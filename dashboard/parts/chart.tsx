/** Figures over time, drawn by uPlot. What a chart shows is also said in words beside it. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Line {
  readonly label: string;
  /** Name of a colour of the style sheet, `--busy`. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
}

export interface ChartProps {
  readonly label: string;
  /** Seconds since the epoch. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  /** Columns standing on each other, rather than lines. */
  readonly stacked?: boolean;
  readonly format: (value: number) => string;
}

const HEIGHT = 168;
const AXIS_FONT = '11px system-ui, sans-serif';

export function Chart(props: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const theme = useTheme();
  const { label, lines, stacked, format } = props;
  const shape = lines.map((line) => line.label).join();
  const data = dataOf(props);

  // biome-ignore lint/correctness/useExhaustiveDependencies: drawn anew only when it looks otherwise
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const made = new uPlot(optionsOf(props, element), data, element);
    plot.current = made;
    const sizes = new ResizeObserver(() => made.setSize(sizeOf(element)));
    sizes.observe(element);
    return () => {
      sizes.disconnect();
      made.destroy();
    };
  }, [shape, theme, stacked]);

  useEffect(() => plot.current?.setData(data));

  return (
    <figure class="chart" role="img" aria-label={`${label}. ${spoken(lines, format)}`}>
      <div ref={box} class="chart-box" />
      <figcaption aria-hidden="true">
        {lines.map((line) => (
          <span key={line.label} class={`key key${line.colour}`}>
            {line.label}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

function spoken(lines: readonly Line[], format: (value: number) => string): string {
  return lines
    .map(({ label, values }) => {
      const last = values.findLast((value) => value !== null);
      return `${label}: ${last == null ? 'nothing' : format(last)} at last`;
    })
    .join(', ');
}

/** uPlot draws one line over the other: of a stack, the sum goes first. */
function dataOf({ times, lines, stacked }: ChartProps): uPlot.AlignedData {
  const values = lines.map((line) => [...line.values]);
  if (stacked !== true) return [[...times], ...values];
  const sums = values.map((_, index) =>
    times.map((_, at) =>
      values.slice(0, index + 1).reduce((sum, line) => sum + (line[at] ?? 0), 0),
    ),
  );
  return [[...times], ...sums.reverse()];
}

function sizeOf(element: HTMLElement) {
  return { width: Math.max(120, element.clientWidth), height: HEIGHT };
}

function optionsOf(
  { times, lines, stacked, format }: ChartProps,
  element: HTMLElement,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  // The first and the last column stand half beside their moment.
  const beside = stacked === true ? ((times[1] ?? 0) - (times[0] ?? 0)) / 2 : 0;
  const drawn = stacked === true ? [...lines].reverse() : lines;
  const axis = {
    stroke: colour('--faint'),
    font: AXIS_FONT,
    ticks: { show: false },
  };
  return {
    ...sizeOf(element),
    legend: { show: false },
    cursor: { show: false },
    padding: [8, 20, 0, 0],
    scales: {
      x: { time: true, range: (_, low, high) => [low - beside, high + beside] },
      y: { range: (_, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 26,
        space: 70,
        values: (_, splits) => splits.map(hourOf),
      },
      {
        ...axis,
        size: 58,
        space: 36,
        grid: { stroke: colour('--line'), width: 1 },
        values: (_, splits) => splits.map((value) => format(value)),
      },
    ],
    series: [
      {},
      ...drawn.map((line) => ({
        label: line.label,
        stroke: colour(line.colour),
        width: stacked === true ? 0 : 1.75,
        spanGaps: false,
        points: {
          ...{ show: stacked !== true, size: 5, filter: alone },
          ...{ fill: colour(line.colour), width: 0 },
        },
        ...(stacked === true && {
          fill: colour(line.colour),
          paths: uPlot.paths.bars?.({ size: [0.75, 14], radius: 0.15 }),
        }),
      })),
    ],
  } as uPlot.Options;
}

function hourOf(seconds: number): string {
  const at = new Date(seconds * 1000);
  return at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

/** A value without a neighbour has no line: a point shows it. */
function alone(plot: uPlot, index: number, show: boolean): number[] | null {
  if (!show) return null;
  const values = [...(plot.data[index] ?? [])];
  return values.flatMap((value, at) =>
    value != null && values[at - 1] == null && values[at + 1] == null ? [at] : [],
  );
}

/** Changes when the colours do. */
function useTheme(): string {
  const [theme, setTheme] = useState(themeNow);
  useEffect(() => {
    const changed = () => setTheme(themeNow());
    const query = matchMedia('(prefers-color-scheme: dark)');
    const root = new MutationObserver(changed);
    root.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    query.addEventListener('change', changed);
    return () => {
      root.disconnect();
      query.removeEventListener('change', changed);
    };
  }, []);
  return theme;
}

function themeNow(): string {
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  return document.documentElement.dataset.theme ?? system;
}
