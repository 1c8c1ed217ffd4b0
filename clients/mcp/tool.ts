/** What a tool is to the server that offers it. */
import type { Task } from '@modelcontextprotocol/sdk/types.js';
import type { z } from 'zod';
import type { Backend } from './backend.js';
import type { Progress } from './progress.js';

export interface Reply {
  /** For people, and for models whose clients give them text. */
  readonly text: string;
  /** All of it for programs, and for models whose clients give them data instead: Claude Code does. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly isError?: boolean;
}

/** One call of a tool. */
export interface Call {
  readonly backend: Backend;
  /** Aborted when the client cancels the call or is gone. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

export interface Tool {
  readonly name: string;
  readonly description: string;
  /** Its descriptions are what a model knows of the arguments. */
  readonly input: z.ZodObject;
  /** Whether it only looks. */
  readonly isReadOnly: boolean;
  run(input: unknown, call: Call): Promise<Reply>;
  /** Present where a client may have a task instead of an answer. */
  readonly begin?: ((input: unknown, call: Call) => Promise<Task>) | undefined;
}

interface Definition<Input extends z.ZodObject> {
  readonly name: string;
  readonly description: string;
  readonly input: Input;
  readonly isReadOnly?: boolean;
  readonly run: (input: z.output<Input>, call: Call) => Promise<Reply>;
  readonly begin?: (input: z.output<Input>, call: Call) => Promise<Task>;
}

/** A tool whose code sees its arguments as its schema has them. The server checks them first. */
export function defineTool<Input extends z.ZodObject>(definition: Definition<Input>): Tool {
  const { isReadOnly = false, run, begin } = definition;
  return {
    ...definition,
    isReadOnly,
    run: (input, call) => run(input as z.output<Input>, call),
    begin: begin && ((input, call) => begin(input as z.output<Input>, call)),
  };
}
