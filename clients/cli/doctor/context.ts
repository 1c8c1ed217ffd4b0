import type { Settings } from '../../../src/config/index.js';
import { createContextRoots } from '../../../src/context/index.js';
import { type Finding, fail, ok, warn } from './finding.js';

/**
 * What a bridge that starts with these settings would answer from. One that runs already may have
 * been started elsewhere and with others.
 */
export async function checkContext({ context }: Settings): Promise<Finding[]> {
  const { contextRoot: roots, context: defaultContext, contextMaxBytes: maxBytes } = context;
  try {
    const files = await createContextRoots({ roots, defaultContext, maxBytes });
    const inRoots = ok('context roots', `a bridge started here would use ${roots.join(', ')}`);
    return [inRoots, checkDefault(await files.resolve(undefined))];
  } catch (error) {
    return [fail('context', (error as Error).message, 'change --context-root or --context')];
  }
}

function checkDefault(file: { readonly path: string } | undefined): Finding {
  return file === undefined
    ? warn(
        'context',
        'a bridge started here would have no document for questions that name none',
        'put a SESSION-RESUME.md into a context root, or name a document with --context',
      )
    : ok(
        'context',
        `a bridge started here would answer questions that name none from ${file.path}`,
      );
}
