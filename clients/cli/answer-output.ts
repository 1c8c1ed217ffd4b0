/** The text of an answer on standard output, whole or as it comes: for people rendered, for programs plain. */
import type { MarkdownStream } from './markdown/index.js';
import { paint, printable, printSources } from './output.js';
import type { Waiting } from './waiting.js';

interface Look {
  /** As it came, also on a terminal. */
  readonly plain: boolean | undefined;
  readonly waiting?: Waiting;
}

/** Prints an answer that is there, and its sources. */
export async function printAnswer(
  { answer, sources }: { readonly answer: string; readonly sources: readonly string[] },
  look: Look,
): Promise<void> {
  const output = await openOutput(look);
  output.push(answer);
  output.end();
  printSources(sources);
}

export async function openOutput({ plain, waiting }: Look): Promise<AnswerOutput> {
  if (!process.stdout.isTTY || plain === true) return new AnswerOutput(undefined, waiting);
  // It takes longer to load than the rest of the command, and a program does not need it.
  const { MarkdownStream } = await import('./markdown/index.js');
  const markdown = new MarkdownStream(() => ({
    columns: Math.max(MIN_COLUMNS, process.stdout.columns || USUAL_COLUMNS),
    paint: (styles, text) => paint([...styles], text),
  }));
  return new AnswerOutput(markdown, waiting);
}

const USUAL_COLUMNS = 80;
const MIN_COLUMNS = 20;
/** Of what is being written, in characters. */
const PREVIEW = 40;

export class AnswerOutput {
  readonly #markdown: MarkdownStream | undefined;
  readonly #waiting: Waiting | undefined;
  #any = false;

  constructor(markdown: MarkdownStream | undefined, waiting: Waiting | undefined) {
    this.#markdown = markdown;
    this.#waiting = waiting;
  }

  get isEmpty(): boolean {
    return !this.#any;
  }

  /** Prints a piece of the answer, as far as it can be shown before the next one is there. */
  push(text: string): void {
    this.#any = true;
    if (this.#markdown === undefined) {
      // The line of the wait would stand in the text.
      this.#waiting?.end();
      process.stdout.write(printable(text));
      return;
    }
    this.#write(this.#markdown.push(text));
    const { pending } = this.#markdown;
    this.#waiting?.tell(() => `writing: ${pending.slice(-PREVIEW).trimStart()}`);
  }

  /** Prints what is left. */
  end(): void {
    this.#waiting?.end();
    if (this.#any) this.#write(this.#markdown === undefined ? '\n' : this.#markdown.end());
  }

  #write(text: string): void {
    if (text === '') return;
    this.#waiting?.hide();
    process.stdout.write(text);
  }
}
