import { createHash, timingSafeEqual } from 'node:crypto';
import { BlockList, isIP } from 'node:net';

/** Knows whether a token is right without keeping it, and in a time that tells nothing about it. */
export class TokenGate {
  readonly #digest: Buffer | undefined;

  constructor(token: string | undefined) {
    this.#digest = token === undefined ? undefined : digest(token);
  }

  get required(): boolean {
    return this.#digest !== undefined;
  }

  admits(token: string | undefined): boolean {
    if (this.#digest === undefined) return true;
    return token !== undefined && timingSafeEqual(this.#digest, digest(token));
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only programs on this machine can reach the IP address. */
export function isLoopback(address: string): boolean {
  const version = isIP(address);
  return version !== 0 && loopback.check(address, version === 4 ? 'ipv4' : 'ipv6');
}
