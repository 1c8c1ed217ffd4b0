/**
 * Bundles the page into `dist/dashboard`: one script, one style sheet, each named by what is in it,
 * and the page that names them.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const here = import.meta.dirname;
const out = join(here, '../dist/dashboard');

const { outputFiles } = await build({
  entryPoints: [join(here, 'main.tsx')],
  outdir: out,
  entryNames: '[name]-[hash]',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  tsconfig: join(here, 'tsconfig.json'),
  legalComments: 'none',
  logLevel: 'warning',
  write: false,
});

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
for (const { path, contents } of outputFiles) writeFileSync(path, contents);

const page = readFileSync(join(here, 'index.html'), 'utf8')
  .replace('main.js', nameOf('.js'))
  .replace('main.css', nameOf('.css'));
writeFileSync(join(out, 'index.html'), page);

function nameOf(end) {
  const file = outputFiles.find(({ path }) => path.endsWith(end));
  if (file === undefined) throw new Error(`the dashboard was built without a ${end} file`);
  return basename(file.path);
}
