/** What every part of the page may ask for: what is seen now, the time, where one is, and acting. */
import { createContext } from 'preact';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import { ApiError, call } from './api.js';
import type { Live, Seen } from './live.js';

export interface Page {
  readonly seen: Seen;
  readonly live: Live;
  /** Says how something went, and looks again. */
  readonly say: (text: string, isBad?: boolean) => void;
}

export const PageContext = createContext<Page | undefined>(undefined);

export function usePage(): Page {
  const page = useContext(PageContext);
  if (page === undefined) throw new Error('outside the page');
  return page;
}

/** The server's time, microseconds since the epoch, anew each second. */
export function useNowUs(): number {
  const { live } = usePage();
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1_000);
    return () => clearInterval(timer);
  }, []);
  return live.nowUs();
}

export interface Loaded<T> {
  readonly data: T | undefined;
  readonly error: string | undefined;
}

/**
 * What a path answers, read again with every look at the server. What was read before stays until
 * there is something newer.
 * @param path undefined: nothing is read
 */
export function useLoaded<T>(path: string | undefined): Loaded<T> {
  const { seen } = usePage();
  const [loaded, setLoaded] = useState<Loaded<T> & { readonly path: string | undefined }>({
    path: undefined,
    data: undefined,
    error: undefined,
  });
  const isLive = seen.link.at === 'live';
  const look = useRef<() => void>(undefined);
  useEffect(() => {
    if (path === undefined) return;
    const gone = new AbortController();
    let state: 'idle' | 'busy' | 'busy, and again' = 'idle';
    const ended = (next: Loaded<T>) => {
      if (gone.signal.aborted) return;
      setLoaded((before) => ({
        path,
        data: next.data ?? (before.path === path ? before.data : undefined),
        error: next.error,
      }));
      const isDue = state === 'busy, and again';
      state = 'idle';
      if (isDue) look.current?.();
    };
    look.current = () => {
      if (state !== 'idle') {
        state = 'busy, and again';
        return;
      }
      state = 'busy';
      call<T>(path, { signal: gone.signal }).then(
        (data) => ended({ data, error: undefined }),
        (error: unknown) => ended({ data: undefined, error: messageOf(error) }),
      );
    };
    return () => gone.abort();
  }, [path]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new version is why it is read again
  useEffect(() => {
    if (isLive) look.current?.();
  }, [path, isLive, seen.version]);
  const isSame = loaded.path === path;
  return { data: isSame ? loaded.data : undefined, error: isSame ? loaded.error : undefined };
}

export function messageOf(error: unknown): string {
  if (error instanceof ApiError || error instanceof Error) return error.message;
  return String(error);
}

/** `#/view` and, with a drawer open, `#/view/17`. */
export interface Place {
  readonly view: string;
  readonly id: number | undefined;
}

export function placeIn(hash: string): Place {
  const [, view = '', id = ''] = /^#\/([a-z-]*)(?:\/(\d{1,16}))?$/.exec(hash) ?? [];
  return { view: view === '' ? 'overview' : view, id: id === '' ? undefined : Number(id) };
}

export function hrefOf(view: string, id?: number): string {
  return id === undefined ? `#/${view}` : `#/${view}/${id}`;
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeIn(location.hash));
  useEffect(() => {
    const changed = () => setPlace(placeIn(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return place;
}
