/** The dashboard as people see it: a real browser on a real server with a real bus. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';

/** Debian's; a machine that lacks it gets it from `.ci/run`. */
const CHROMIUM = '/usr/bin/chromium';

let browser: Browser;

/** One browser for the tests of a file; each visit has a profile of its own. */
export function browserForTests(): void {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser.close();
  });
}

export interface Visit {
  readonly page: Page;
  /** What the console said that ought not to be there, and what the page asked elsewhere. */
  readonly troubles: string[];
}

export const WIDTHS = { phone: 360, tablet: 768, desktop: 1280 } as const;

/** @param url of the server; the view is that of the hash */
export async function visit(
  url: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Visit> {
  const context: BrowserContext = await browser.newContext({
    viewport: { width: WIDTHS.desktop, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const troubles: string[] = [];
  const { origin } = new URL(url);
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') troubles.push(message.text());
  });
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('request', (request) => {
    const asked = request.url();
    if (!asked.startsWith(`${origin}/`) && !asked.startsWith('data:')) troubles.push(asked);
  });
  await page.goto(url);
  return { page, troubles };
}

/** Gone when the test ends. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-dashboard-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Another program on the bus of the server. */
export class Asker {
  readonly #bus: ReturnType<typeof openSqliteBus>;
  readonly #db: string;

  constructor(db: string) {
    this.#db = db;
    this.#bus = openSqliteBus({ file: db });
    onTestFinished(() => this.#bus.close());
  }

  conversation(): Promise<string> {
    return this.#bus.createConversation({ roleA: 'planner', roleB: 'library' });
  }

  /** @returns the message id */
  async put(question: string, more: object = {}, conversation?: string): Promise<number> {
    return await this.#bus.put({
      conversationId: conversation ?? (await this.conversation()),
      from: 'a',
      message: JSON.stringify({ type: 'query', question, ...more }),
      metadata: null,
    });
  }

  /** How a question ended; undefined while it has not. */
  endOf(id: number): { readonly outcome: string; readonly code: string | null } | undefined {
    const peer = new Database(this.#db, { readonly: true });
    try {
      return peer
        .prepare('SELECT outcome, error_code AS code FROM warmline_done WHERE question_id = ?')
        .get(id) as ReturnType<Asker['endOf']>;
    } finally {
      peer.close();
    }
  }
}
