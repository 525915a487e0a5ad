/// <reference lib="dom" />
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { line } from './figure.js';

const CHROMIUM = [process.env.CENOTE_TEST_CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser'].find(
  (path) => path && existsSync(path),
);
const PATIENCE_MS = 120_000;

/**
 * What a reader waits for, in Chromium: the page's first paint when it is opened at a patient, and from a click on a
 * patient of the list to the first drawing of the lanes, bands where there are many events, and to all events drawn.
 */
export async function measurePage(
  base: string,
  tenant: string,
  patient: string,
  events: number,
  rounds: number,
): Promise<void> {
  const data = `${events} events of one patient`;
  if (!CHROMIUM) {
    line('timeline', 'page', 0, 'rounds', data, 'no Chromium was found (CENOTE_TEST_CHROMIUM names one)');
    return;
  }
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu'],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(base);
    await page.evaluate(
      (t) => sessionStorage.setItem('cenote-session', JSON.stringify({ tenant: t, token: '' })),
      tenant,
    );
    const paints: number[] = [];
    const firsts: number[] = [];
    const wholes: number[] = [];
    for (let i = 0; i < rounds; i++) {
      await page.goto(`${base}/#/patient/${patient}`);
      await page.reload();
      await page.waitForSelector('.chart[data-events]');
      paints.push(
        await page.evaluate(
          () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
        ),
      );
      await page.goto(`${base}/#/patients`);
      await page.reload();
      await page.waitForSelector('a.card');
      // Timed within the page, so that the debugger\u2019s way there does not count.
      const [first, whole] = await page.evaluate(async () => {
        const from = performance.now();
        document.querySelector<HTMLElement>('a.card')!.click();
        const drawn = async (what: string) => {
          while (!document.querySelector(what)) await new Promise(requestAnimationFrame);
          return performance.now() - from;
        };
        const first = await drawn('.chart[data-density], .chart[data-events]');
        return [first, await drawn('.chart[data-events]')] as const;
      });
      firsts.push(first);
      wholes.push(whole);
    }
    line('timeline', 'page, first paint', median(paints), 'ms', data, 'opened at the patient');
    line(
      'timeline',
      'page, from a click to the lanes',
      median(firsts),
      'ms',
      data,
      'bands where there are over 1,000',
    );
    line('timeline', 'page, from a click to all events', median(wholes), 'ms', data);
  } finally {
    await browser.close();
  }
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
