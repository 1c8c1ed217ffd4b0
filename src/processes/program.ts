import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

const USUAL_PATH = '/usr/local/bin:/usr/bin:/bin';

/**
 * Where a program is: the absolute path a shell would find, or undefined when there is none.
 * @param path the directories to look in, as the variable PATH lists them
 * @param cwd what a name with a slash in it is relative to
 */
export function findProgram(command: string, path: string | undefined, cwd = '/') {
  if (command === '') return undefined;
  if (command.includes('/')) return executable(resolve(cwd, command));
  for (const directory of (path ?? USUAL_PATH).split(delimiter)) {
    const found = directory === '' ? undefined : executable(resolve(cwd, join(directory, command)));
    if (found !== undefined) return found;
  }
  return undefined;
}

function executable(file: string): string | undefined {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile() ? file : undefined;
  } catch {
    return undefined;
  }
}

let wrapper: readonly string[] | undefined;

/**
 * What goes before a command so that the kernel kills it when we are gone, by SIGKILL too:
 * `setpriv --pdeathsig` of util-linux. Empty where there is none; asked of the system once.
 *
 * The kernel sends that signal when the *thread* that spawned ends (prctl(2), PR_SET_PDEATHSIG), so
 * a child spawned from a worker ends with its worker.
 */
export function diesWithUs(): readonly string[] {
  wrapper ??= findWrapper();
  return wrapper;
}

function findWrapper(): readonly string[] {
  const setpriv = findProgram('setpriv', USUAL_PATH);
  if (setpriv === undefined) return [];
  const words = [setpriv, '--pdeathsig', 'KILL', '--'];
  // Asked, not assumed: the setpriv of BusyBox has no such option.
  const { status } = spawnSync(setpriv, [...words.slice(1), 'true'], {
    env: { PATH: USUAL_PATH },
    stdio: 'ignore',
    timeout: 5000,
  });
  return status === 0 ? words : [];
}
