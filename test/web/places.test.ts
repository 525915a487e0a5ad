/// <reference lib="dom" />
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { patient, type Served } from '../http/served.js';
import { openPages, type Pages } from './both-pages.js';
import { CHROMIUM, type Visit } from './browser.js';

/** The page's places as a person uses them: patients, trying a note, jobs. */
let pages: Pages;
let served: Served;
let open: Visit;
const importFrom = (paths: string[]) => pages.importFrom(paths);

/** A file whose every third line is refused, each for another reason. */
function faultyFile(): string {
  const folder = join(served.system.dir, 'ward seven, west wing, records handed over by the former provider');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'observations-and-people.ndjson');
  const lines = [
    patient({ id: 'long', name: [{ family: LONG_NAME, given: ['Wilhelmina', 'Anastasia'] }] }),
    patient({ id: 'faulty', birthDate: 'the third of May' }),
    {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'Weight' },
      subject: { reference: 'Patient/long' },
    },
    { resourceType: 'Observation', code: { text: 'No status' } },
  ];
  writeFileSync(path, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"resourceType": "Pat\n`);
  return path;
}
const LONG_NAME = 'Featherstonehaugh-Wolfeschlegelsteinhausenbergerdorff';

const NDJSON_LINES = 5;
/** Of a line, for a long note: 20,000 characters. */
const REPEATS = 220;
describe.skipIf(!CHROMIUM)('the page', () => {
  beforeAll(async () => {
    pages = await openPages();
    ({ served, open } = pages);
  }, 180_000);
  afterAll(() => pages?.close());

  describe('with nothing in it', () => {
    it('says so in each place, and how to begin', async () => {
      const { page } = open;
      for (const [place, says] of [
        ['patients', 'There is no patient yet'],
        ['jobs', 'No job has run yet'],
      ] as const) {
        await open.open(place);
        await page.waitForSelector(`text=${says}`);
        expect(await open.look(`empty-${place}`)).toEqual([]);
      }
      expect(open.takeProblems()).toEqual([]);
    });
  });

  describe('jobs', () => {
    let sample: string;
    let faulty: string;

    it('lists an import with what came in, and where its time went', async () => {
      sample = await importFrom([join(packageRoot(), 'examples', 'sample')]);
      const { page } = open;
      await open.open('jobs');
      await page.click('a.row:has-text("Import")');
      await page.waitForSelector('h2:has-text("Where the time went")');
      expect(page.url()).toContain(sample);
      expect(await page.locator('.state').first().textContent()).toBe('done');
      expect(await page.locator('.heat rect[class^=phase-]').count()).toBeGreaterThan(3);
      expect(await page.locator('table.counts:has-text("Patient") td').first().textContent()).toMatch(/\d/);
      await page.waitForSelector('caption:has-text("Slowest")');
      expect(await open.look('job-done')).toEqual([]);
      expect(open.takeProblems()).toEqual([]);
    }, 120_000);

    it('names file, line and reason of what was refused', async () => {
      faulty = await importFrom([faultyFile()]);
      const { page } = open;
      await open.open(`jobs/${faulty}`);
      await page.waitForSelector('h2:has-text("Refused")');
      const rows = await page.locator('section[aria-labelledby=job-errors] tbody tr').allTextContents();
      expect(rows).toHaveLength(3);
      for (const [i, line] of [2, 4, NDJSON_LINES].entries())
        expect(rows[i]).toMatch(new RegExp(`observations-and-people\\.ndjson${line}`));
      expect(await page.locator('body').textContent()).not.toContain('the third of May');
      expect(await open.look('job-refused')).toEqual([]);
      expect(open.takeProblems()).toEqual([]);
    }, 60_000);

    it('shows a job move with its rate and the time that is left, and stops and resumes it', async () => {
      const { jobs } = served.rooms;
      const { page } = open;
      const made = await jobs.create(served.tenant, 'reindex', {});
      const job = await jobs.claim(served.tenant, made.id);
      await jobs.beat(job, { parts: 64, partsDone: 16, resources: 4_000, rewritten: 900 });
      await open.open('jobs');
      const row = page.locator('a.row', { hasText: 'Re-index' });
      await row.locator('text=16 of 64 parts').waitFor();
      const before = await row.locator('progress').getAttribute('value');
      await new Promise((resolve) => setTimeout(resolve, 3_200));
      await jobs.beat(job, { parts: 64, partsDone: 40, resources: 12_000, rewritten: 2_100 });
      await row.locator('text=40 of 64 parts').waitFor({ timeout: 8_000 });
      expect(Number(await row.locator('progress').getAttribute('value'))).toBeGreaterThan(Number(before));
      expect(await row.textContent()).toMatch(/[\d,]+ resources\/s.*about .* left/);
      expect(await open.look('jobs')).toEqual([]);
      await row.click();
      await page.click('button:has-text("Stop")');
      await page.waitForSelector('dialog[open]');
      expect(await open.look('job-stop')).toEqual([]);
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog', { state: 'detached' });
      expect((await jobs.get(served.tenant, job.id)).state).toBe('running');
      await page.click('button:has-text("Stop")');
      await page.click('dialog button[type=submit]');
      await page.waitForSelector('.state:has-text("stopped")');
      expect((await jobs.get(served.tenant, job.id)).state).toBe('cancelled');
      await page.click('button:has-text("Go on")');
      await page.waitForSelector('.state:has-text("waiting")');
      expect((await jobs.get(served.tenant, job.id)).state).toBe('queued');
      await jobs.cancel(served.tenant, job.id);
      expect(open.takeProblems()).toEqual([]);
    });

    it('asks nothing while it is hidden, and at once when it is seen again', async () => {
      const { page } = open;
      await open.open('jobs');
      await page.waitForSelector('a.row');
      let asked = 0;
      page.on('request', (request) => {
        if (request.url().endsWith('$jobs')) asked++;
      });
      const hide = (hidden: boolean) =>
        page.evaluate((h) => {
          Object.defineProperty(document, 'hidden', { configurable: true, get: () => h });
          document.dispatchEvent(new Event('visibilitychange'));
        }, hidden);
      const made = await served.rooms.jobs.create(served.tenant, 'reindex', {});
      await hide(true);
      await hide(false);
      await page.waitForSelector('.state:has-text("waiting")');
      await hide(true);
      await page.waitForTimeout(400);
      asked = 0;
      await page.waitForTimeout(3_500);
      expect(asked).toBe(0);
      await hide(false);
      await expect.poll(() => asked).toBe(1);
      await served.rooms.jobs.cancel(served.tenant, made.id);
    });
  });

  describe('patients', () => {
    it('are found as one types, by name, identifier and birth date, alone and together', async () => {
      const { page } = open;
      await open.open('patients');
      await page.waitForSelector('.card');
      expect(await page.locator('.card').count()).toBe(8);
      for (const [typed, name] of [
        ['hollo', 'Margaret Holloway'],
        ['Holloway, Margaret', 'Margaret Holloway'],
        ['MR-100203', 'Lucía Ferreira'],
        ['1945-06-08', 'Walter Brandt'],
        ['brandt 1945', 'Walter Brandt'],
      ]) {
        await page.fill('.search', typed!);
        await page.waitForFunction(
          (n) => document.querySelectorAll('.card').length === 1 && document.body.textContent!.includes(n!),
          name,
        );
      }
      await page.fill('.search', 'brandt 1946');
      await page.waitForSelector('text=No patient is found');
      expect(await open.look('patients-none')).toEqual([]);
      await page.click('text=Show all patients');
      await page.waitForFunction(() => document.querySelectorAll('.card').length === 8);
      expect(await open.look('patients')).toEqual([]);
      expect(open.takeProblems()).toEqual([]);
    });

    it('are opened by the keyboard alone, and the list is as it was on coming back', async () => {
      const { page } = open;
      await open.open('patients');
      await page.waitForSelector('.card');
      await page.focus('.search');
      await page.keyboard.type('hollo');
      await page.waitForFunction(() => document.querySelectorAll('.card').length === 1);
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('Enter');
      await page.waitForSelector('h1:has-text("Margaret Holloway")');
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
      await page.waitForSelector('.essentials li');
      // Each part is asked for by itself.
      await page.locator('.essentials [aria-busy=true]').first().waitFor({ state: 'detached' });
      expect(await page.locator('.essentials').textContent()).toMatch(
        /Allergies.*Sulfa.*diabetes.*medication/is,
      );
      expect(await open.look('patient')).toEqual([]);
      await page.goBack();
      await page.waitForFunction(() => document.querySelectorAll('.card').length === 1);
      expect(await page.inputValue('.search')).toBe('hollo');
      expect(open.takeProblems()).toEqual([]);
    });

    it('stay readable with a name that fits no line', async () => {
      const { page } = open;
      await open.open('patients');
      await page.fill('.search', 'feather');
      await page.waitForSelector(`text=${LONG_NAME}`);
      expect(await open.look('patients-long-name')).toEqual([]);
    });

    it('say that the server is slow, refuses or is gone, and try again when asked', async () => {
      const { page } = open;
      let answer: 'slow' | 'fails' | 'goes on' = 'slow';
      await page.route('**/Patient?*', async (route) => {
        if (answer === 'slow') await page.waitForTimeout(7_000);
        if (answer === 'fails')
          await route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' });
        else await route.continue().catch(() => undefined);
      });
      await open.open('patients');
      await page.waitForSelector('text=The server or the network is slow');
      expect(await open.look('patients-slow')).toEqual([]);
      answer = 'fails';
      await page.fill('.search', 'brandt');
      await page.waitForSelector('text=The server answered 502');
      expect(await open.look('patients-failing')).toEqual([]);
      answer = 'goes on';
      await page.click('text=Try again');
      await page.waitForSelector('.card');
      await page.context().setOffline(true);
      await page.waitForSelector('text=This computer is offline. What is shown may be out of date.');
      await page.fill('.search', 'hollo');
      await page.waitForSelector('[role=alert]:has-text("offline")');
      await page.context().setOffline(false);
      await page.waitForSelector('text=Margaret Holloway');
      await page.unroute('**/Patient?*');
      open.takeProblems();
    });
  });

  describe('a note that is tried', () => {
    it('is shown with what is understood and refused, as text and as FHIR, and kept nowhere', async () => {
      const { page } = open;
      await open.open('try');
      await page.fill('textarea', 'Denies chest pain. Takes metformin 500 mg BID.');
      await page.focus('textarea');
      await page.keyboard.press('Control+Enter');
      await page.waitForSelector('.note mark.medication');
      expect(await page.locator('.note mark.refused').textContent()).toBe('chest pain');
      await page.waitForSelector('text=1 understood, 1 refused as facts about the patient, 1 FHIR resource');
      await page.click('text=As FHIR');
      await page.click('.fhir summary');
      expect(JSON.parse((await page.locator('.fhir pre').textContent())!)).toMatchObject({
        resourceType: 'MedicationStatement',
        status: 'active',
      });
      expect(await open.look('try-fhir')).toEqual([]);
      expect(open.takeProblems()).toEqual([]);
    });

    it('may be one of the examples, or nothing', async () => {
      const { page } = open;
      await open.open('try');
      const examples = await page.locator('.try > .choice button').count();
      for (let i = 0; i < examples; i++) {
        await page.locator('.try > .choice button').nth(i).click();
        const text = await page.inputValue('textarea');
        await page.waitForFunction((t) => document.querySelector('.note')?.textContent === t, text);
        expect(await page.locator('.note mark').count()).toBeGreaterThan(4);
      }
      expect(await open.look('try')).toEqual([]);
      await page.fill('textarea', 'The weather was fine.');
      await page.click('text=Read it');
      await page.waitForSelector('text=Nothing of medicine was found in it.');
      await page.fill('textarea', '');
      expect(await page.isDisabled('button:has-text("Read it")')).toBe(true);
      expect(open.takeProblems()).toEqual([]);
    });

    it('may be as long as twenty pages', async () => {
      const { page } = open;
      await open.open('try');
      const part =
        'Patient takes lisinopril 20 mg daily for hypertension. Denies syncope. Mother had asthma.\n';
      await page.evaluate((text) => {
        const area = document.querySelector('textarea')!;
        area.value = text;
        area.dispatchEvent(new Event('input', { bubbles: true }));
      }, part.repeat(REPEATS));
      const from = Date.now();
      await page.click('text=Read it');
      await page.locator('.note mark').first().waitFor({ timeout: 60_000 });
      console.log(`a note of ${part.length * REPEATS} characters: read and shown in ${Date.now() - from} ms`);
      await page.screenshot({ path: join(packageRoot(), 'test-output', 'try-long.png') });
      const last = page.locator('.note .piece').last();
      await last.scrollIntoViewIfNeeded();
      await last.locator('mark').first().waitFor();
    }, 90_000);

    it('opens quickly when it is a megabyte long, and marks each part as it is come to', async () => {
      const { page } = open;
      const line = 'Patient takes lisinopril 20 mg daily for hypertension. Denies syncope.\n';
      const lines = Math.ceil(1_000_000 / line.length);
      const common = {
        type: 'medication',
        assertion: { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' },
        attributes: [],
        concepts: [],
        score: 0.9,
        accepted: true,
      };
      const mentions = Array.from({ length: lines }, (_, i) =>
        ['lisinopril', 'hypertension', 'syncope'].map((text) => {
          const start = i * line.length + line.indexOf(text);
          return { ...common, text, start, end: start + text.length };
        }),
      ).flat();
      await page.route(/annotate/, (route) => route.fulfill({ json: { mentions, bundle: { entry: [] } } }));
      await open.open('try');
      await page.evaluate((text) => {
        const area = document.querySelector('textarea')!;
        area.value = text;
        area.dispatchEvent(new Event('input', { bubbles: true }));
      }, line.repeat(lines));
      await page.click('text=Read it');
      const took = await page.evaluate(async () => {
        const from = performance.now();
        while (!document.querySelector('.note mark')) await new Promise(requestAnimationFrame);
        return performance.now() - from;
      });
      console.log(`a note of a megabyte with ${mentions.length} mentions: shown in ${took.toFixed(0)} ms`);
      expect(took).toBeLessThan(5_000);
      expect(await page.locator('.note mark').count()).toBeLessThan(mentions.length / 10);
      const last = page.locator('.note .piece').last();
      await last.scrollIntoViewIfNeeded();
      await last.locator('mark').last().waitFor();
      await page.unroute(/annotate/);
      expect(open.takeProblems()).toEqual([]);
    }, 60_000);
  });
});

describe.runIf(!CHROMIUM)('the page', () => {
  it.skip('is tried in a browser: no Chromium was found (CENOTE_TEST_CHROMIUM names one)', () => undefined);
});
