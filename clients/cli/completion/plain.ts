/**
 * The word, when it means nothing to any shell: scripts hold such words without quotes.
 * @throws Error when it might
 */
export function requirePlain(word: string): string {
  if (!/^[A-Za-z0-9_.-]+$/.test(word)) throw new Error(`"${word}" cannot be offered by a shell`);
  return word;
}
