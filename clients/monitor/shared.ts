/** One follower for each bus file and process, for as long as anybody waits with it. */
import { realpathSync } from 'node:fs';
import { Follower } from './follower.js';

interface Shared {
  readonly follower: Follower;
  users: number;
}

const open = new Map<string, Shared>();

/** @throws BusError when the bus cannot be used */
export async function withFollower<T>(
  db: string,
  use: (follower: Follower) => Promise<T>,
): Promise<T> {
  const path = pathOf(db);
  const shared = open.get(path) ?? { follower: new Follower({ file: db }), users: 0 };
  open.set(path, shared);
  shared.users += 1;
  try {
    return await use(shared.follower);
  } finally {
    shared.users -= 1;
    if (shared.users === 0) {
      open.delete(path);
      await shared.follower.close();
    }
  }
}

/** One bus may be reached by several names. Opening it says what is wrong with a name. */
function pathOf(db: string): string {
  try {
    return realpathSync(db);
  } catch {
    return db;
  }
}
