/// <reference lib="dom" />
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { drainAnnotations } from '../../src/tasks/annotate.js';
import { runImport } from '../../src/tasks/import.js';
import { type Served, serve } from '../http/served.js';

/**
 * The page, used as a person would, in a real browser: Chromium where one is found (CENOTE_TEST_CHROMIUM or the usual
 * places). Screenshots are left in test-output/.
 */
const CHROMIUM = [
  process.env.CENOTE_TEST_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));
const OUTPUT = join(packageRoot(), 'test-output');
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let served: Served;
let server: Server;
let browser: Browser;
let page: Page;
let base: string;
const problems: string[] = [];

async function loadSample(): Promise<void> {
  const { rooms, tenant } = served;
  const params = {
    paths: [join(packageRoot(), 'examples', 'sample')],
    folder: process.cwd(),
    defaults: {},
    columns: {},
  };
  const job = await rooms.jobs.create(tenant, 'import', params);
  const claimed = await rooms.jobs.claim(tenant, job.id);
  await runImport({ jobs: rooms.jobs, bundle: rooms.bundles, clock: rooms.clock }, tenant, claimed, {
    base: rooms.baseOf(tenant),
  });
  await drainAnnotations(await rooms.annotation(), tenant);
}

/** Opens a place of the page in the test's tenant. */
async function open(place: string): Promise<void> {
  await page.goto(`${base}/#/${place}`);
  await page.reload();
}

async function shot(name: string): Promise<void> {
  await page.screenshot({ path: join(OUTPUT, `${name}.png`) });
}

/** Findings of axe-core that are serious or worse, by rule. */
async function seriousFindings(): Promise<string[]> {
  // The page's policy forbids added scripts, so the checker runs as the debugger's own.
  return (await page.evaluate(`${AXE}; axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical').map((v) => v.id + ': ' + v.nodes[0].target))`)) as string[];
}

describe.skipIf(!CHROMIUM)('the page', () => {
  beforeAll(async () => {
    mkdirSync(OUTPUT, { recursive: true });
    served = await serve();
    await loadSample();
    server = served.app.express.listen(0, '127.0.0.1');
    await new Promise((ready) => server.once('listening', ready));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await chromium.launch({
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
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    page.on(
      'request',
      (request) => request.url().startsWith(base) || problems.push('a request to another host'),
    );
    await page.goto(base);
    await page.evaluate(
      (tenant) => sessionStorage.setItem('cenote-session', JSON.stringify({ tenant, token: '' })),
      'lake',
    );
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
    await served?.close();
  });

  it('finds patients as one types, by name, identifier and birth date', async () => {
    await open('patients');
    await page.waitForSelector('.card');
    expect(await page.locator('.card').count()).toBe(7);
    for (const [typed, name] of [
      ['hollo', 'Margaret Holloway'],
      ['MR-100203', 'Lucía Ferreira'],
      ['1945-06-08', 'Walter Brandt'],
    ]) {
      await page.fill('.search', typed!);
      await page.waitForFunction(
        (n) => document.querySelectorAll('.card').length === 1 && document.body.textContent!.includes(n!),
        name,
      );
    }
    await page.fill('.search', 'nobody at all');
    await page.waitForSelector('text=No patient is found');
    expect(await seriousFindings()).toEqual([]);
    await shot('patients');
  });

  it('shows a patient on lanes and in a list, and narrows both by words and origin', async () => {
    await open('patients');
    await page.fill('.search', 'holloway');
    await page.waitForFunction(() => document.querySelectorAll('.card').length === 1);
    await page.click('a.card');
    await page.waitForSelector('.chart');
    const all = await page.locator('.events li').count();
    await page.selectOption('select', 'notes');
    await page.waitForFunction((n) => document.querySelectorAll('.events li').length < n, all);
    await page.fill('.tools input[type=search]', 'metformin');
    await page.waitForFunction(() => {
      const items = [...document.querySelectorAll('.events li')];
      return items.length > 0 && items.every((li) => /metformin/i.test(li.textContent!));
    });
    await page.fill('.tools input[type=search]', '');
    expect(await seriousFindings()).toEqual([]);
    await shot('timeline');
  });

  it('lets a person confirm a fact, and goes from it to the words of its note', async () => {
    await page.locator('.events button:has(.badge)').first().click();
    await page.waitForSelector('.detail .sources a');
    await page.fill('.review input', 'seen in clinic');
    await page.click('.review button:has-text("Confirm")');
    await page.waitForSelector('.review strong:has-text("confirmed")');
    await shot('fact');
    const words = (await page.locator('.detail .sources a').first().textContent())!.replace(/[“”]/g, '');
    await page.locator('.detail .sources a').first().click();
    await page.waitForSelector('.note mark.chosen');
    expect((await page.locator('.note mark.chosen').textContent())!.trim()).toBe(words);
    await page.locator('.note mark.refused button').first().click();
    await page.waitForSelector('.detail strong.no');
    expect(await page.locator('.detail strong.no').textContent()).toMatch(/^refused: /);
    expect(await seriousFindings()).toEqual([]);
    await shot('note');
  });

  it('makes a cohort from a search with a live count, and lists its patients', async () => {
    await open('cohorts');
    await page.fill('.create label:nth-of-type(1) input', 'Diabetes');
    await page.fill('.create label:nth-of-type(2) input', 'Condition?code=http://snomed.info/sct|44054006');
    await page.waitForSelector('text=/\\d+ resources/');
    await page.click('text=Make the cohort');
    await page.click('.card button:has-text("Diabetes")');
    await page.waitForSelector('text=Margaret Holloway');
    await page.fill('.create label:nth-of-type(1) input', 'Wrong');
    await page.fill('.create label:nth-of-type(2) input', 'Condition?nonsense=1');
    await page.click('text=Make the cohort');
    await page.waitForSelector('[role=alert]');
    expect(await seriousFindings()).toEqual([]);
    await shot('cohorts');
    problems.length = 0; // The refused cohort is an error of the console, as it should be.
  });

  it('reads a pasted note without storing it', async () => {
    await open('try');
    await page.fill('textarea', 'Denies chest pain. Takes metformin 500 mg BID.');
    await page.click('text=Read it');
    await page.waitForSelector('.note mark.medication');
    expect(await page.locator('.note mark.refused').textContent()).toBe('chest pain');
    expect(await seriousFindings()).toEqual([]);
    await shot('try');
  });

  it('fits a telephone, light and dark', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await open('patients');
      await page.waitForSelector('.card');
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
      expect(await seriousFindings()).toEqual([]);
      await shot(`telephone-${colorScheme}`);
    }
  });

  it('asks no other host, and meets no error on the way', () => {
    expect(problems).toEqual([]);
  });
});

describe.runIf(!CHROMIUM)('the page', () => {
  it.skip('is tried in a browser: no Chromium was found (CENOTE_TEST_CHROMIUM names one)', () => undefined);
});
