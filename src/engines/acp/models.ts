/** Which of the models an agent offers is the configured one: pure. */
import { fault } from '../../errors.js';
import { showable } from '../claude/failures.js';
import { record } from './turn.js';

interface Choice {
  readonly configId: string;
  readonly value: string;
}

const MAX_NAMED = 10;

/**
 * The choice to make among the `configOptions` of a new session
 * (https://agentclientprotocol.com/protocol/session-config-options), by a model's id or its name;
 * undefined when the agent offers none: its own command decides then.
 * @throws WarmlineError `engine_unavailable` when it offers others only
 */
export function choiceOf(session: unknown, model: string): Choice | undefined {
  const { configOptions } = record(session);
  const options = Array.isArray(configOptions) ? configOptions.map(record) : [];
  const option = options.find(({ category, type }) => category === 'model' && type === 'select');
  if (option === undefined || typeof option.id !== 'string') return undefined;
  const offered = valuesOf(option.options);
  const chosen =
    offered.find(({ value }) => value === model) ?? offered.find(({ name }) => name === model);
  if (chosen !== undefined) return { configId: option.id, value: chosen.value };
  const names = offered.slice(0, MAX_NAMED).map(({ value }) => showable(value.slice(0, 80), []));
  throw fault(
    'engine_unavailable',
    `the agent does not offer the model ${JSON.stringify(model)}; it offers ${names.join(', ')}`,
  );
}

/** They come as a list, or in groups of lists. */
function valuesOf(options: unknown): { readonly value: string; readonly name: unknown }[] {
  if (!Array.isArray(options)) return [];
  return options.map(record).flatMap(({ value, name, options: group }) => {
    if (Array.isArray(group)) return valuesOf(group);
    return typeof value === 'string' ? [{ value, name }] : [];
  });
}
