/// <reference lib="dom" />
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { packageRoot } from '../../src/core/package-root.js';
import type { App } from '../../src/http/app.js';

/** Chromium where one is found: CENOTE_TEST_CHROMIUM or the usual places. */
export const CHROMIUM = [
  process.env.CENOTE_TEST_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));

const OUTPUT = join(packageRoot(), 'test-output');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const DESKTOP = { width: 1280, height: 900 };
const TELEPHONE = { width: 360, height: 780 };

export function launch(): Promise<Browser> {
  mkdirSync(OUTPUT, { recursive: true });
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--disable-quic',
    ],
  });
}

/** Findings of axe-core that are serious or worse, by rule. The page's policy forbids added scripts: it runs as the debugger's own. */
export async function seriousFindings(page: Page): Promise<string[]> {
  return (await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .map((v) => v.id + ': ' + v.nodes.map((n) => n.target).join(' ')))`)) as string[];
}

/** The page of one server in a window of its own. */
export interface Visit {
  readonly page: Page;
  readonly base: string;
  /** Opens a place such as `jobs` anew. */
  open(place: string): Promise<void>;
  /**
   * Leaves pictures in test-output/, wide and narrow, light and dark, and tells what is wrong with them: findings of
   * axe-core that are serious, and what is wider than a telephone.
   */
  look(name: string): Promise<string[]>;
  /** What went wrong since it was asked last: errors of scripts and the console, requests to other hosts. */
  takeProblems(): string[];
  close(): Promise<void>;
}

export async function visit(
  browser: Browser,
  app: App,
  session: { readonly tenant: string; readonly token: string },
): Promise<Visit> {
  const server: Server = app.express.listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const context = await browser.newContext({ viewport: DESKTOP });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith('blob:')) problems.push('a request to another host');
  });
  await page.goto(base);
  await page.evaluate((s) => sessionStorage.setItem('cenote-session', JSON.stringify(s)), session);
  // The page that is open already asked another tenant: what came of that is no problem of the page.
  await page.reload({ waitUntil: 'networkidle' });
  problems.length = 0;
  return {
    page,
    base,
    async open(place) {
      await page.goto(`${base}/#/${place}`);
      await page.reload();
    },
    async look(name) {
      const wrong: string[] = [];
      for (const [size, viewport] of [
        ['telephone', TELEPHONE],
        ['desktop', DESKTOP],
      ] as const) {
        await page.setViewportSize(viewport);
        for (const colorScheme of ['dark', 'light'] as const) {
          await page.emulateMedia({ colorScheme });
          await page.screenshot({ path: join(OUTPUT, `${name}-${size}-${colorScheme}.png`), fullPage: true });
          wrong.push(...(await seriousFindings(page)).map((finding) => `${size} ${colorScheme}: ${finding}`));
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        if (wide > viewport.width) wrong.push(`${size}: ${wide} pixels wide`);
      }
      return wrong;
    },
    takeProblems: () => problems.splice(0),
    async close() {
      await context.close();
      server.close();
    },
  };
}
