/** An answer for a model to read, with the lines it comes from. */
export function answerText(given: {
  readonly answer: string;
  readonly sources: readonly string[];
}): string {
  const { answer, sources } = given;
  return sources.length === 0 ? answer : `${answer}\n\nSources: ${sources.join(', ')}`;
}
