/// <reference lib="dom" />
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { packageRoot } from '../../src/core/package-root.js';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { runImport } from '../../src/tasks/import.js';
import { type Served, serve, TENANT } from '../http/served.js';

/** Chromium where one is found: CENOTE_TEST_CHROMIUM or the usual places. */
export const CHROMIUM = [
  process.env.CENOTE_TEST_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));
const OUTPUT = join(packageRoot(), 'test-output');

/** The page in a real browser, on the sample's data, with what a test of it needs. */
export interface Place {
  readonly page: Page;
  readonly served: Served;
  /** What went wrong in the page: errors of scripts and the console, requests to other hosts. */
  readonly problems: string[];
  /** Opens a place of the page, such as `patient/ID`. */
  open(place: string): Promise<void>;
  /** Leaves a picture in test-output/. */
  shot(name: string): Promise<void>;
  /** Findings of axe-core that are serious or worse. */
  serious(): Promise<string[]>;
  close(): Promise<void>;
}

/** Imports files into the served tenant and has their notes read. */
export async function importPaths({ rooms, tenant }: Served, paths: readonly string[]): Promise<void> {
  const params = { paths, folder: process.cwd(), defaults: {}, columns: {} };
  const job = await rooms.jobs.create(tenant, 'import', params);
  const claimed = await rooms.jobs.claim(tenant, job.id);
  await runImport({ jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock }, tenant, claimed, {
    base: rooms.baseOf(tenant),
  });
  await drainAnnotations(await rooms.annotation(), tenant);
}

export async function openPage(): Promise<Place> {
  mkdirSync(OUTPUT, { recursive: true });
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const served = await serve();
  await importPaths(served, [join(packageRoot(), 'examples', 'sample')]);
  const server: Server = served.app.express.listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const browser: Browser = await chromium.launch({
    executablePath: CHROMIUM!,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
  });
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  page.on(
    'request',
    (request) =>
      request.url().startsWith(base) ||
      request.url().startsWith('blob:') ||
      problems.push('a request to another host'),
  );
  await page.goto(base);
  await page.evaluate(
    (tenant) => sessionStorage.setItem('cenote-session', JSON.stringify({ tenant, token: '' })),
    TENANT,
  );
  return {
    page,
    served,
    problems,
    async open(place) {
      await page.goto(`${base}/#/${place}`);
      await page.reload();
    },
    async shot(name) {
      await page.screenshot({ path: join(OUTPUT, `${name}.png`), fullPage: true });
    },
    // The page's policy forbids added scripts, so the checker runs as the debugger's own.
    serious: () =>
      page.evaluate(`${axe}; axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations
        .filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => v.id + ': ' + v.nodes.map((n) => n.target).join(' ')))`) as Promise<
        string[]
      >,
    async close() {
      await browser.close();
      server.close();
      await served.close();
    },
  };
}
