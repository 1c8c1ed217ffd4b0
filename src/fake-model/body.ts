/** Reading request bodies within a bound for each and one for all that are read at a time. */
import type { IncomingMessage } from 'node:http';

const MAX_BODY_BYTES = 32 * 1024 * 1024;
const MAX_ALL_BYTES = 128 * 1024 * 1024;

/** The body, or those of all requests together, are larger than what is read. */
export class BodyTooLarge extends Error {
  override readonly name = 'BodyTooLarge';
}

export class BodyReader {
  #reading = 0;

  /** @throws BodyTooLarge, or the error of a connection that broke */
  async read(request: IncomingMessage): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        size += chunk.length;
        this.#reading += chunk.length;
        if (size > MAX_BODY_BYTES || this.#reading > MAX_ALL_BYTES) {
          throw new BodyTooLarge(`a request may have ${MAX_BODY_BYTES} bytes`);
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks, size).toString('utf8');
    } finally {
      this.#reading -= size;
    }
  }
}
