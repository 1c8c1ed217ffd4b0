/**
 * An answer as the JSON object that `response_format` asked for: without the code fence or the prose
 * that models put around it. An answer that holds none, as of an engine that quotes a document, is
 * the one field of an object, so that whoever parses it is never let down. Pure.
 */
export function asJsonObject(answer: string): string {
  const candidates = [answer, fenced(answer), braced(answer)];
  const found = candidates.find((text) => text !== undefined && isObject(text));
  return found?.trim() ?? JSON.stringify({ answer });
}

function fenced(answer: string): string | undefined {
  return /```(?:json)?[^\S\n]*\n([\s\S]*?)\n?```/i.exec(answer)?.[1];
}

function braced(answer: string): string | undefined {
  const from = answer.indexOf('{');
  const to = answer.lastIndexOf('}');
  return from < 0 || to < from ? undefined : answer.slice(from, to + 1);
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
