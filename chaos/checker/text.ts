import { BAD, type BadKind, type Finding, type Report } from './check.js';

/** Findings of a kind that are shown; the others are counted. */
const SHOWN = 5;

export function reportText(report: Report): string {
  const kinds = Object.keys(BAD) as BadKind[];
  const lines = kinds.map((kind) => row(kind, report.bad[kind], BAD[kind]));
  const recovered = row('recovered', report.recovered, 'no fault: see docs/chaos.md', false);
  const head = `${report.questions} questions, ${report.answers} answers`;
  return [head, ...lines, recovered].join('\n');
}

/** Only what was found, for a place where many reports stand together. */
export function badText({ bad }: Report): string {
  const kinds = (Object.keys(BAD) as BadKind[]).filter((kind) => bad[kind].length > 0);
  return kinds.map((kind) => row(kind, bad[kind], BAD[kind])).join('\n');
}

function row(name: string, findings: readonly Finding[], meaning: string, details = true): string {
  const head = `  ${name.padEnd(14)} ${String(findings.length).padStart(5)}   ${meaning}`;
  if (!details) return head;
  const shown = findings.slice(0, SHOWN).map(({ question, why }) => `      ${question}: ${why}`);
  return [head, ...shown].join('\n');
}
