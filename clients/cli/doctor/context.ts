import type { Settings } from '../../../src/config/index.js';
import { createContextRoots } from '../../../src/context/index.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** What questions are answered from: the engine, its directories and its default document. */
export async function checkContext({ engine, context }: Settings): Promise<Finding[]> {
  const { contextRoot: roots, context: defaultContext, contextMaxBytes: maxBytes } = context;
  const answers = ok('engine', `${engine.engine} needs no key and no network`);
  try {
    const files = await createContextRoots({ roots, defaultContext, maxBytes });
    const inRoots = ok('context roots', roots.join(', '));
    return [answers, inRoots, checkDefault(await files.resolve(undefined))];
  } catch (error) {
    return [
      answers,
      fail('context', (error as Error).message, 'change --context-root or --context'),
    ];
  }
}

function checkDefault(file: { readonly path: string } | undefined): Finding {
  return file === undefined
    ? warn(
        'context',
        'no default document: a question that names none gets an error',
        'put a SESSION-RESUME.md into a context root, or name a document with --context',
      )
    : ok('context', `${file.path} answers questions that name no document`);
}
