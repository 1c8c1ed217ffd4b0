/** What has an address at the door and answers there by itself, under the rules of the door. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import type { Log } from '../log.js';

export interface Guest {
  /** Answers one request. @param body its parsed JSON, if it has one */
  handle(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void>;
  /** Ends what is being answered. */
  close(): Promise<void>;
}

/** How the guest of each path is made, when the first request for it comes. */
export type GuestList = Readonly<Record<string, () => Promise<Guest>>>;

export class Guests {
  readonly #list: GuestList;
  readonly #log: Log;
  readonly #made = new Map<string, Promise<Guest>>();

  constructor(list: GuestList, log: Log) {
    this.#list = list;
    this.#log = log;
  }

  mount(app: FastifyInstance): void {
    for (const [path, make] of Object.entries(this.#list)) {
      app.route({
        method: ['GET', 'POST', 'DELETE'],
        url: path,
        handler: async ({ raw, body }, reply) => {
          const guest = await this.#guest(path, make);
          reply.hijack();
          try {
            await guest.handle(raw, reply.raw, body);
          } catch (error) {
            this.#log.error({ err: error, url: path }, 'a request failed');
            reply.raw.destroy();
          }
        },
      });
    }
  }

  async close(): Promise<void> {
    for (const guest of this.#made.values()) await (await guest).close();
  }

  /** One that could not be made is tried again by the next request. */
  #guest(path: string, make: () => Promise<Guest>): Promise<Guest> {
    const made = this.#made.get(path) ?? make();
    this.#made.set(path, made);
    made.catch(() => this.#made.delete(path));
    return made;
  }
}
