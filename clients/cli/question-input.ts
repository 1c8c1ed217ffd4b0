/** The question that a command is given, as a word or on standard input. */
import { UsageError } from './failure.js';

/** More does not fit on a line of the socket, and far less on the bus. In UTF-16 units. */
const MAX_CHARS = 1024 * 1024;

/**
 * @param word `-`, or none where something is piped in, stands for standard input
 * @throws UsageError when there is no question
 */
export async function questionFrom(word: string | undefined): Promise<string> {
  const { stdin } = process;
  if (word !== undefined && word !== '-') return word;
  if (word === undefined && stdin.isTTY) {
    throw new UsageError("missing required argument 'question'; - reads it from standard input");
  }
  if (stdin.isTTY) process.stderr.write('The question, then Ctrl-D:\n');
  const question = (await readAll(stdin)).trim();
  if (question !== '') return question;
  throw new UsageError("missing required argument 'question'; there is none on standard input");
}

async function readAll(stdin: NodeJS.ReadStream): Promise<string> {
  const pieces: string[] = [];
  let chars = 0;
  for await (const piece of stdin.setEncoding('utf8') as AsyncIterable<string>) {
    chars += piece.length;
    if (chars > MAX_CHARS) {
      throw new UsageError(
        'the question on standard input is longer than 1 MiB; put long material into a context file',
      );
    }
    pieces.push(piece);
  }
  return pieces.join('');
}
