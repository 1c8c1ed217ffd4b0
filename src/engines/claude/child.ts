/** A process tree of ours in the shape the SDK wants, with its output kept within bounds. */
import { EventEmitter } from 'node:events';
import { Transform } from 'node:stream';
import type { ProcessTree } from '../../processes/index.js';
import type { SpawnedProcess } from './sdk.js';

/** The longest line of output, in bytes: several times the longest answer that is accepted. */
const MAX_LINE_BYTES = 32 * 1024 * 1024;
const NEWLINE = 10;

export class Child extends EventEmitter implements SpawnedProcess {
  readonly stdin: ProcessTree['stdin'];
  readonly stdout: Transform;
  killed = false;
  exitCode: number | null = null;
  signalCode: NodeJS.Signals | null = null;

  readonly #tree: ProcessTree;

  constructor(tree: ProcessTree, maxLineBytes = MAX_LINE_BYTES) {
    super();
    this.#tree = tree;
    this.stdin = tree.stdin;
    // A process that is gone makes writing fail; its end is told by `exit`.
    this.stdin.on('error', () => {});
    this.stdout = tree.stdout.pipe(lineGuard(maxLineBytes, () => this.kill()));
    tree.exited.then(({ code, signal }) => {
      this.exitCode = code;
      this.signalCode = signal;
      this.emit('exit', code, signal);
    });
  }

  /** Whichever signal is asked for: nothing of the tree is left, and at once. */
  kill(): boolean {
    this.killed = true;
    void this.#tree.kill(0);
    return true;
  }
}

/** Lets bytes through until a line is too long: who reads it would hold it all in memory. */
function lineGuard(maxBytes: number, exceeded: () => void): Transform {
  let lineBytes = 0;
  let isOver = false;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const lastNewline = chunk.lastIndexOf(NEWLINE);
      const firstNewline = lastNewline < 0 ? -1 : chunk.indexOf(NEWLINE);
      const longest = lineBytes + (firstNewline < 0 ? chunk.length : firstNewline);
      lineBytes = lastNewline < 0 ? longest : chunk.length - lastNewline - 1;
      if (!isOver && longest > maxBytes) {
        isOver = true;
        exceeded();
      }
      if (isOver) done();
      else done(null, chunk);
    },
  });
}
