/** What the files that describe commands share. */
import type { Command } from 'commander';
import type { Words } from './options.js';

/** Variadic arguments come as one list. */
type Argument = string & readonly string[];

/** A command's code: what was given in, its exit code out. */
export type Action = (words: Words, ...given: Argument[]) => Promise<number>;

export interface Frame {
  /** Describes a command of the program. */
  readonly command: (name: string, summary: string) => Command;
  /** The action of a command, whose code loads when it runs; its exit code is kept. */
  readonly run: (load: () => Promise<Action>) => (...given: unknown[]) => Promise<void>;
}

/** @param exitWith told the exit code of the command that ran */
export function frameOf(program: Command, exitWith: (code: number) => void): Frame {
  return {
    command: (name, summary) => program.command(name).description(summary),
    // Commander hands over the arguments, then the options, then the command itself. A command
    // inside another may find its own options taken by that one.
    run:
      (load) =>
      async (...given) => {
        const [, taken] = given.splice(-2) as [unknown, Command];
        exitWith(await (await load())(taken.optsWithGlobals(), ...(given as Argument[])));
      },
  };
}
