/**
 * Shares work between callers that ask for the same thing at the same time. Nothing is remembered
 * after it is done: each caller gets an outcome of work that began after the call, so a burst of
 * callers costs two runs and a change on disk is never missed.
 */
export function sharedByKey<T>(work: (key: string) => Promise<T>): (key: string) => Promise<T> {
  interface Entry {
    /** Begun already: too old for whoever asks now. */
    readonly running: Promise<T>;
    /** Begins when `running` is done; everyone who asks meanwhile joins it. */
    next: Promise<T> | undefined;
  }
  const entries = new Map<string, Entry>();

  function begin(key: string): Promise<T> {
    const entry: Entry = { running: work(key), next: undefined };
    entries.set(key, entry);
    const done = () => {
      if (entry.next === undefined) entries.delete(key);
    };
    entry.running.then(done, done);
    return entry.running;
  }

  return (key) => {
    const entry = entries.get(key);
    if (entry === undefined) return begin(key);
    entry.next ??= entry.running.then(
      () => begin(key),
      () => begin(key),
    );
    return entry.next;
  };
}
