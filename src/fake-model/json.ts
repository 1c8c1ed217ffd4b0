/** Reading JSON that anyone may have sent: what has the wrong type counts as missing. */

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

export function objectsOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** The texts of a message's content: a string, or parts which may hold texts of their own. */
export function textsOf(content: unknown): string[] {
  if (typeof content === 'string') return [content];
  return objectsOf(content).flatMap((part) =>
    typeof part.text === 'string' ? [part.text] : nestedTexts(part.content),
  );
}

/** One level is all that the APIs nest; no input can make this deep. */
function nestedTexts(content: unknown): string[] {
  if (typeof content === 'string') return [content];
  return objectsOf(content).map((part) => stringOf(part.text));
}
