/** Reads Prometheus' text format, and says what `promtool check metrics` would. */

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Map<string, number>;
}

const NAME = /^[a-z][a-z0-9_]*$/;
const SAMPLE = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/gy;

export function parseExposition(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, Family>();
  let current: { name: string; help: string; family: Family | undefined } | undefined;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (families.has(name)) throw new Error(`twice: ${name}`);
      current = { name, help: rest, family: undefined };
    } else if (kind === 'TYPE') {
      if (current?.name !== name) throw new Error(`TYPE without HELP: ${name}`);
      current.family = { type: rest, help: current.help, samples: new Map() };
      families.set(name, current.family);
    } else {
      if (current?.family === undefined) throw new Error(`a sample without TYPE: ${line}`);
      addSample(current.name, current.family, line);
    }
  }
  return families;
}

function addSample(name: string, { type, samples }: Family, line: string): void {
  const [, sample = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
  const suffix = sample.slice(name.length);
  const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  if (!sample.startsWith(name) || !suffixes.includes(suffix)) throw new Error(`astray: ${line}`);
  const series = `${suffix}{${labelsIn(labels).sort().join(',')}}`;
  if (samples.has(series)) throw new Error(`twice: ${line}`);
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
  if (Number.isNaN(number)) throw new Error(`no number: ${line}`);
  samples.set(series, number);
}

function labelsIn(text: string): string[] {
  const labels: string[] = [];
  LABEL.lastIndex = 0;
  for (let at = 0; at < text.length; at = LABEL.lastIndex) {
    const [whole, name, value] = LABEL.exec(text) ?? [];
    if (whole === undefined) throw new Error(`labels: ${text}`);
    labels.push(`${name}="${value}"`);
  }
  return labels;
}

/** What is against the conventions of names, types and buckets. */
export function lint(families: ReadonlyMap<string, Family>): string[] {
  const problems: string[] = [];
  for (const [name, { type, help, samples }] of families) {
    const say = (what: string) => problems.push(`${name}: ${what}`);
    if (!NAME.test(name)) say('not lower case with underscores');
    if (help.trim() === '') say('no help');
    if (!['counter', 'gauge', 'histogram'].includes(type)) say(`unknown type ${type}`);
    if ((type === 'counter') !== name.endsWith('_total')) say('_total is for counters');
    if (/_(bucket|sum|count)$/.test(name)) say('a suffix of histograms');
    if (/_(ms|milliseconds|minutes|hours|kilobytes|mb|percent)(_|$)/.test(name))
      say('no base unit');
    if (name.includes(`_${type}`)) say('the type in the name');
    if (type === 'histogram') checkBuckets(samples, say);
  }
  return problems;
}

function checkBuckets(samples: ReadonlyMap<string, number>, say: (what: string) => void): void {
  const groups = new Map<string, [le: number, count: number][]>();
  for (const [series, count] of samples) {
    const le = /^_bucket\{.*le="([^"]*)"/.exec(series)?.[1];
    if (le === undefined) continue;
    const group = series
      .replace(/le="[^"]*",?/, '')
      .slice('_bucket'.length)
      .replace(',}', '}');
    const bound = le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
    groups.set(group, [...(groups.get(group) ?? []), [bound, count]]);
  }
  for (const [group, buckets] of groups) {
    const sorted = buckets.toSorted(([one], [other]) => one - other);
    const isCumulative = sorted.every(([, count], at) => count >= (sorted[at - 1]?.[1] ?? 0));
    if (!isCumulative) say(`${group}: buckets do not add up`);
    const last = sorted.at(-1);
    if (last?.[0] !== Number.POSITIVE_INFINITY) say(`${group}: no +Inf`);
    if (last?.[1] !== samples.get(`_count${group}`)) say(`${group}: +Inf is not the count`);
    if (!samples.has(`_sum${group}`)) say(`${group}: no sum`);
  }
}
