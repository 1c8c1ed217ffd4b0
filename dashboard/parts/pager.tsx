/** Older and newer, a page at a time. */
import { useEffect, useState } from 'preact/hooks';

export interface Pages {
  readonly before: number | undefined;
  readonly older: (before: number) => void;
  readonly newer: (() => void) | undefined;
}

/** @param of what is listed: another list begins at its first page */
export function usePages(of: string): Pages {
  const [trail, setTrail] = useState<readonly number[]>([]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list is why
  useEffect(() => setTrail([]), [of]);
  return {
    before: trail.at(-1),
    older: (before) => setTrail([...trail, before]),
    newer: trail.length === 0 ? undefined : () => setTrail(trail.slice(0, -1)),
  };
}

export function Pager({ pages, nextBefore }: { pages: Pages; nextBefore: number | undefined }) {
  const { newer, older } = pages;
  if (newer === undefined && nextBefore === undefined) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <button type="button" class="button" disabled={newer === undefined} onClick={newer}>
        Newer
      </button>
      <button
        type="button"
        class="button"
        disabled={nextBefore === undefined}
        onClick={() => nextBefore !== undefined && older(nextBefore)}
      >
        Older
      </button>
    </nav>
  );
}
