/** Random numbers in [0, 1) that a seed repeats (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function newSeed(): number {
  return Date.now() % 1_000_000;
}

/** A whole number from `from` to `to`, both included. */
export function whole(random: () => number, from: number, to: number): number {
  return from + Math.floor(random() * (to - from + 1));
}

export function pick<T>(random: () => number, among: readonly T[]): T {
  const found = among[Math.floor(random() * among.length)];
  if (found === undefined) throw new Error('nothing to choose from');
  return found;
}
