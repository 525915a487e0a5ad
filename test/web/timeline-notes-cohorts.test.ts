/// <reference lib="dom" />
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { CHROMIUM, seriousFindings } from './browser.js';
import { openSamplePage, type SamplePage } from './sample-page.js';

/** Timeline, note reader and cohorts, used as a person would; pictures are left in test-output/. */

const HEAVY_EVENTS = 32_000;
const MAX_DRAWN_MS = 1_000;
/** Measured at 250 to 500 ms on two cores at a load of 25; a second is what is promised on an idle machine. */
const MAX_PAINTED_MS = 3_000;

/** A picture alone, for what looks as the rest does. */
const shot = (name: string) =>
  place.page.screenshot({ path: join(packageRoot(), 'test-output', `${name}.png`), fullPage: true });

/** Wide in light and narrow in dark: what is wrong with either, and a picture of both. */
async function look(name: string): Promise<string[]> {
  const { page } = place;
  await shot(`${name}-desktop-light`);
  const wrong = await seriousFindings(page);
  await page.setViewportSize({ width: 360, height: 780 });
  await page.emulateMedia({ colorScheme: 'dark' });
  await shot(`${name}-telephone-dark`);
  wrong.push(...(await seriousFindings(page)));
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > 360) wrong.push(`${wide} pixels wide`);
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
  return wrong;
}

interface Found {
  readonly entry: readonly {
    readonly resource: { readonly id: string; readonly type?: { readonly text?: string } };
  }[];
}

let place: SamplePage;
let patient: string;

/** A made-up timeline of 40 years of results, as `$timeline-outline` answers. */
function heavyOutline(): string {
  const days = new Map<number, number>();
  const events = Array.from({ length: HEAVY_EVENTS }, (_, i) => {
    const at = Date.UTC(1985, 0, 1) + Math.floor((i / HEAVY_EVENTS) * 40 * 365.25 * 86_400_000);
    const value = 70 + ((i * 37) % 60);
    const day = Math.floor(at / 86_400_000);
    days.set(day, (days.get(day) ?? 0) + 1);
    return {
      reference: `Observation/o${i}`,
      version: '1',
      kind: 'observation',
      title: `Glucose: ${value} mg/dL`,
      when: { dateTime: new Date(at).toISOString() },
      at,
      recorded: '2026-01-01T00:00:00Z',
      ...(value > 100 ? { flag: 'H' } : {}),
      measured: [
        { code: 'http://loinc.org|2345-7', name: 'Glucose', value, unit: 'mg/dL', low: 70, high: 100 },
      ],
    };
  });
  const density = { events: HEAVY_EVENTS, undated: 0, days: { observation: [...days] } };
  return [{ density }, ...events, { complete: HEAVY_EVENTS }].map((l) => `${JSON.stringify(l)}\n`).join('');
}

describe.skipIf(!CHROMIUM)('timeline, notes and cohorts', () => {
  beforeAll(async () => {
    place = await openSamplePage();
    const found = (await place.fhir('Patient?name=holloway')) as unknown as Found;
    patient = found.entry[0]!.resource.id;
  }, 180_000);
  afterAll(() => place?.close());

  it('draws courses, results and notes on lanes, and zooms, moves and jumps by button, key, wheel and brush', async () => {
    const { page } = place;
    await place.open(`patient/${patient}`);
    await page.waitForSelector('.chart[data-events]');
    await page.waitForSelector('.events li');
    const [painted, drawn] = await page.evaluate(() => [
      performance.getEntriesByName('first-contentful-paint')[0]!.startTime,
      performance.getEntriesByName('timeline-drawn').at(-1)!.startTime,
    ]);
    console.info(`first paint after ${painted!.toFixed(0)} ms, the timeline after ${drawn!.toFixed(0)} ms`);
    expect(painted).toBeLessThan(MAX_PAINTED_MS);
    expect(await look('timeline')).toEqual([]);
    const from = () => page.locator('.tools input[type=date]').first().inputValue();
    const whole = await from();
    await page.click('.tools button:has-text("Year")');
    await page.waitForFunction(
      (was) => document.querySelector<HTMLInputElement>('.tools input[type=date]')!.value !== was,
      whole,
    );
    const year = await from();
    await page.focus('.chart');
    await page.keyboard.press('ArrowLeft');
    await page.waitForFunction(
      (was) => document.querySelector<HTMLInputElement>('.tools input[type=date]')!.value < was,
      year,
    );
    const moved = await from();
    await page.hover('.chart', { position: { x: 600, y: 30 } });
    await page.mouse.wheel(0, -300);
    await page.waitForFunction(
      (was) => document.querySelector<HTMLInputElement>('.tools input[type=date]')!.value !== was,
      moved,
    );
    await page.click('.tools button:has-text("All")');
    const box = (await page.locator('.overview').boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.6, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.8, box.y + 20, { steps: 4 });
    await page.mouse.up();
    await page.waitForFunction(
      (was) => document.querySelector<HTMLInputElement>('.tools input[type=date]')!.value > was,
      whole,
    );
    await page.getByLabel('Jump to').fill('2017-03-14');
    await page.click('.tools button:has-text("Day")');
    await page.waitForFunction(() => document.querySelectorAll('.events li').length > 0);
    await shot('timeline-brushed');
    await page.click('.tools button:has-text("All")');
  });

  it('chooses the same event in lanes and list, by key too', async () => {
    const { page } = place;
    await page.focus('.chart');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    await page.waitForSelector('.events button[aria-pressed=true]');
    const title = await page.locator('.events button[aria-pressed=true] .title').textContent();
    expect(title).toContain((await page.locator('.detail h2').textContent())!);
  });

  it('shows what was known then', async () => {
    const { page } = place;
    const count = () => page.locator('p.quiet[role=status]').first().textContent();
    const now = await count();
    await page.focus('input[type=range]');
    await page.keyboard.press('Home');
    await page.waitForSelector('text=/more are known now/');
    expect(await count()).not.toBe(now);
    await shot('timeline-as-of');
    await page.click('text=Back to now');
    await page.waitForFunction(
      (was) => document.querySelector('p.quiet[role=status]')!.textContent === was,
      now,
    );
  });

  it('shows the words that say so, and the versions of a corrected fact beside each other', async () => {
    const { page } = place;
    await page.fill('.tools input[type=search]', 'atorvastatin');
    await page.locator('.events button:has(.badge):has-text("medication")').first().click();
    await page.waitForSelector('.snippet mark');
    await page.click('.review button:has-text("Correct")');
    await page.getByLabel('Text', { exact: true }).fill('atorvastatin calcium');
    await page.locator('.correction select').nth(1).selectOption('completed');
    await page.click('text=Save the correction');
    await page.waitForSelector('.review strong:has-text("corrected")');
    await page.click('text=Compare versions');
    await page.waitForSelector('dialog ins');
    expect(await page.locator('dialog ins').allTextContents()).toContainEqual(
      expect.stringContaining('"status": "completed"'),
    );
    expect(await look('versions')).toEqual([]);
    await page.click('dialog button:has-text("Close")');
  });

  it('says so where nothing fits the filters', async () => {
    const { page } = place;
    await page.fill('.tools input[type=search]', 'nothing of the kind');
    await page.waitForSelector('text=Nothing of this timeline fits the filters.');
    await shot('timeline-empty');
  });

  it('draws 32,000 events in under a second', async () => {
    const { page } = place;
    const body = heavyOutline();
    await page.route(/timeline-outline/, (route) =>
      route.fulfill({ body, contentType: 'application/x-ndjson' }),
    );
    await place.open(`patient/${patient}`);
    await page.waitForSelector(`.chart[data-events="${HEAVY_EVENTS}"]`, { timeout: 60_000 });
    const drawn = await page.evaluate(() => performance.getEntriesByName('timeline-drawn').at(-1)!.duration);
    console.info(`${HEAVY_EVENTS} events drawn in ${drawn.toFixed(1)} ms`);
    expect(drawn).toBeLessThan(MAX_DRAWN_MS);
    expect(await look('timeline-32000')).toEqual([]);
    await page.unroute(/timeline-outline/);
  }, 90_000);

  it('shows at a touch of pointer or focus how a word was understood, and leads from a fact to its words', async () => {
    const { page } = place;
    // A pointer that was left where a word comes to stand would be shown that word and not the facts; and which note
    // comes first unsorted is the tenant's own.
    await page.mouse.move(5, 5);
    const found = (await place.fhir(`DocumentReference?patient=${patient}`)) as unknown as Found;
    const note = found.entry.find(({ resource }) => resource.type?.text === 'History and physical')!;
    await place.open(`note/${note.resource.id}`);
    await page.waitForSelector('.facts button');
    await page.locator('.note mark.refused button').first().hover();
    await page.waitForSelector('.detail strong.no');
    expect(await page.locator('.detail .because').textContent()).toMatch(/gate/);
    await page.mouse.move(5, 5);
    await page.waitForSelector('.facts button');
    await page.locator('.note mark:not(.refused) button').first().focus();
    await page.waitForSelector('.detail dl');
    await page.locator('.note mark:not(.refused) button').first().blur();
    const fact = page.locator('.facts button').first();
    await fact.click();
    await page.waitForSelector('.note mark.chosen');
    await page.waitForSelector('.fact .review');
    await page.click('.review button:has-text("Confirm")');
    await page.waitForSelector('.review strong:has-text("confirmed")');
    expect(await look('note')).toEqual([]);
  });

  it('says of facts that could not be read that they could not, not that there are none, and reads them again', async () => {
    const { page } = place;
    const found = (await place.fhir(`DocumentReference?patient=${patient}`)) as unknown as Found;
    const note = found.entry.find(({ resource }) => resource.type?.text === 'History and physical')!;
    expect(place.takeProblems()).toEqual([]);
    await page.route(/\/Provenance\?/, (route) =>
      route.fulfill({
        status: 503,
        contentType: 'application/fhir+json',
        body: JSON.stringify({
          resourceType: 'OperationOutcome',
          issue: [{ severity: 'error', code: 'transient', diagnostics: 'The database cannot be reached.' }],
        }),
      }),
    );
    await place.open(`note/${note.resource.id}`);
    await page.waitForSelector('.detail .error');
    const told = async () => (await page.locator('.detail').textContent()) ?? '';
    expect(await told()).toContain('could not be read: The database cannot be reached.');
    expect(await told()).not.toContain('None were made');
    await page.locator('.note mark:not(.refused) button').first().focus();
    await page.waitForSelector('.detail dl');
    expect(await told()).toContain('could not be read');
    expect(await told()).not.toContain('No fact was made');
    expect(await look('note-failed')).toEqual([]);
    await page.locator('.note mark:not(.refused) button').first().blur();
    await page.unroute(/\/Provenance\?/);
    await page.click('.detail .error button:has-text("Try again")');
    await page.waitForSelector('.facts button');
    expect(await page.locator('.detail .error').count()).toBe(0);
    expect(place.takeProblems().filter((problem) => !problem.includes('status of 503'))).toEqual([]);
  });

  it('builds a cohort by pressing codes, with counts as one goes', async () => {
    const { page } = place;
    await place.open('cohorts');
    await page.click('.choices button:has-text("New cohort")');
    await page.waitForSelector('.total strong:has-text("7")');
    await page.fill('.codes input', 'diabetes');
    await page.click('.offers button:has-text("44054006")');
    await page.waitForFunction(() => document.querySelector('.total strong')?.textContent === '1');
    await page.click('text=Add a group');
    await page.locator('.branch .branch .offers button').first().waitFor();
    await page.locator('.branch .branch select').nth(2).selectOption('true');
    await page.locator('.branch .branch select').nth(3).selectOption('Observation');
    await page.locator('.branch .branch .offers button:has-text("4548-4")').click();
    await page.waitForFunction(() => document.querySelector('.total strong')?.textContent === '0');
    expect(await look('cohort-builder')).toEqual([]);
    await page.locator('[aria-label="Remove the group"]').click();
    await page.fill('.builder .name input', 'Diabetes');
    await page.click('text=Make the cohort');
    await page.waitForSelector('.members a:has-text("Margaret Holloway")');
  });

  it('shows who is in a cohort as charts, against all patients', async () => {
    const { page } = place;
    await page.click('text=Who they are');
    await page.waitForSelector('.bars caption:has-text("Conditions")');
    await page.locator('.offers button:has-text("4548-4")').click();
    await page.waitForSelector('.lines polyline');
    expect(await page.locator('.bars caption').allTextContents()).toEqual(
      expect.arrayContaining(['Age', 'Sex', 'Treatments', 'Conditions']),
    );
    expect(await look('cohort-profile')).toEqual([]);
  });

  it('compares two cohorts', async () => {
    const { page } = place;
    const criteria = { search: 'Condition?code=http://snomed.info/sct|59621000' };
    await place.fhir('Group/$cohort', { name: 'Hypertension', criteria });
    await place.open('cohorts');
    await page.click('.choices button:has-text("Compare")');
    await page.waitForSelector('.lines polyline');
    await page.fill('.pick-two > div:nth-child(2) input', 'kidney');
    await page.locator('.pick-two > div:nth-child(2) .offers button').first().click();
    await page.waitForSelector('.bars caption:has-text("Outcomes")');
    await page.waitForSelector('.overlap');
    expect(await look('cohort-compare')).toEqual([]);
  });

  it('exports a cohort: resources with a quality report, or tables with the columns that are wanted', async () => {
    const { page } = place;
    await place.open('cohorts');
    await page.click('.cohort-list .plain:has-text("Diabetes")');
    await page.click('.choices button:has-text("Export")');
    await page.click('.export button[type=submit]');
    await page.waitForSelector('.quality table', { timeout: 20_000 });
    expect(await page.locator('.files button').allTextContents()).toContain('Condition.ndjson');
    expect(await look('cohort-export')).toEqual([]);
    await page.getByLabel('Format').selectOption('csv');
    await page.locator('.tables summary').first().click();
    await page.locator('.column-list label:has-text("birth")').first().locator('input').uncheck();
    await page.click('.export button[type=submit]');
    const file = page.locator('.files button:has-text("patient")');
    await file.waitFor({ timeout: 20_000 });
    const [taken] = await Promise.all([page.waitForEvent('download'), file.click()]);
    const head = await readStart(await taken.createReadStream());
    expect(head).toContain('gender');
    expect(head).not.toContain('birth');
    await shot('cohort-tables');
  }, 60_000);

  it('meets no error on the way, and asks no other host', () => {
    expect(place.takeProblems()).toEqual([]);
  });
});

describe.runIf(!CHROMIUM)('timeline, notes and cohorts', () => {
  it.skip('are tried in a browser: no Chromium was found (CENOTE_TEST_CHROMIUM names one)', () => undefined);
});

async function readStart(stream: NodeJS.ReadableStream): Promise<string> {
  for await (const chunk of stream) return String(chunk).split('\n')[0]!;
  return '';
}
