// Plays a daemon: says what it is told to, and then does what it is told to.
//   node daemon.mjs MARK [say=TEXT] [exit=CODE] [deaf] [child]
import { spawn } from 'node:child_process';

const words = process.argv.slice(3);
const value = (name) => words.find((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);

if (words.includes('deaf')) {
  process.on('SIGTERM', () => process.stderr.write('not now\n'));
  // A later signal than that, whichever is looked at first.
  process.on('SIGCONT', () => process.stderr.write('called\n'));
}
if (words.includes('child')) {
  const idle = ['-e', 'setInterval(() => {}, 1e9)', process.argv[2]];
  spawn(process.execPath, idle, { stdio: 'ignore' });
}
if (value('say') !== undefined) process.stdout.write(`${value('say')}\n`);
if (value('exit') !== undefined) process.exit(Number(value('exit')));
setInterval(() => {}, 1e9);
