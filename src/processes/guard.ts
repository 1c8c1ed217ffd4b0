/**
 * What ends the descendants of our children when we are killed ourselves.
 *
 * The kernel ends a direct child with us (`diesWithUs`), but not what that child started. So every
 * tree carries a mark in its environment, which each process inherits however often it forks or
 * leaves its group, and one small shell waits for our end: its standard input closes with us. It
 * then kills whatever carries the mark. A process that was started with an environment of its own
 * making is not found. Only where there is /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { HAS_PROC } from './proc.js';

const MARK = 'WARMLINE_TREE';

/** Waits for the end of its input, then kills all that carry the mark $1, until none is left. */
const SCRIPT = `
trap '' HUP INT QUIT TERM
read -r _
pass=0
while [ $pass -lt 100 ]; do
  # Its exit status says nothing: 2 for every file that is not ours to read.
  found=$(grep -lsF -- "$1" /proc/[0-9]*/environ)
  [ -z "$found" ] && exit 0
  for file in $found; do
    pid=\${file#/proc/}
    kill -KILL "\${pid%/environ}" 2>/dev/null
  done
  pass=$((pass + 1))
done`;

interface Guard {
  readonly child: ChildProcess | undefined;
  readonly mark: string;
  trees: number;
}

/** A tree under guard. */
export interface Guarded {
  /** The variable each process of the tree carries. */
  readonly variable: { readonly name: string; readonly value: string };
  /** To be called once, when nothing of the tree is left. */
  release(): void;
}

let current: Guard | undefined;
let trees = 0;

export function guardTree(): Guarded {
  const guard = current !== undefined && isWatching(current) ? current : startGuard();
  current = guard;
  guard.trees += 1;
  trees += 1;
  return {
    variable: { name: MARK, value: `${guard.mark}.${trees}` },
    release() {
      guard.trees -= 1;
      if (guard.trees > 0) return;
      if (current === guard) current = undefined;
      guard.child?.stdin?.end();
    },
  };
}

function isWatching({ child }: Guard): boolean {
  return child === undefined || (child.exitCode === null && child.signalCode === null);
}

function startGuard(): Guard {
  // One mark per guard: a guard that is let go kills nothing of the one that follows it.
  const mark = randomBytes(12).toString('hex');
  if (!HAS_PROC) return { child: undefined, mark, trees: 0 };
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'warmline-guard', `${MARK}=${mark}.`], {
    cwd: '/',
    // Out of our group: what is sent to all of us must not end it before the others.
    detached: true,
    env: { PATH: '/usr/bin:/bin' },
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => {}); // no shell here: children are still ended by the kernel and by kill
  child.stdin.on('error', () => {});
  // It must not keep us from ending: our end is what it waits for.
  child.unref();
  (child.stdin as unknown as { unref?(): void }).unref?.();
  return { child, mark, trees: 0 };
}
