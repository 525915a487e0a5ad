import { describe, expect, it } from 'vitest';
import { createClinicalPipeline } from '../../nlp/index.js';
import { hardNotes } from '../fuzz/hard-notes.js';
import { outgrows } from '../support/growth.js';

const pipeline = createClinicalPipeline();
const SHORT = 4_000;
const LONG = 20_000;

/** CPU time of reading it, in ms; mentions and their attributes stand where they say. */
function readMs(text: string): number {
  const cpu = process.cpuUsage();
  const { mentions } = pipeline.annotate(text, { id: 'hard', date: '2024-01-31' });
  const used = process.cpuUsage(cpu);
  for (const mention of mentions) {
    if (mention.text !== text.slice(mention.start, mention.end)) expect(mention.text).toBe('in its place');
    for (const { start, end, text: words } of mention.attributes)
      if (end <= start || text.slice(start, end) !== words) expect(words).toBe('in its place');
  }
  return (used.user + used.system) / 1000;
}

/** Of one text: the first may find code that is not compiled yet, and compiling counts as CPU time. */
const READINGS = 5;
/** The limit is 50 ms and 5 ms a kB of a core of its own (`cenote bench annotate` tells); here others work beside. */
const BESIDE_OTHERS = 3;

/** Too slow is what is slower each time. */
function isTooSlow(text: string): boolean {
  const limit = BESIDE_OTHERS * (50 + (5 * text.length) / 1000);
  for (let reading = 0; reading < READINGS; reading++) if (readMs(text) <= limit) return false;
  return true;
}

describe('a reader given what nobody would write', () => {
  const notes = hardNotes();

  it('knows more than 400 such texts', () => {
    expect(notes.length).toBeGreaterThan(400);
    expect(new Set(notes.map(({ name }) => name)).size).toBe(notes.length);
  });

  it('reads each in time, and throws at none', () => {
    expect(notes.filter(({ textOf }) => isTooSlow(textOf(SHORT))).map(({ name }) => name)).toEqual([]);
  });

  it('takes no more than its share for five times as much of each', () => {
    const alone = notes.filter(({ name }) => name.endsWith(', alone'));
    expect(
      alone
        .filter(({ textOf }) => outgrows(readMs, textOf(SHORT), textOf(LONG), LONG / SHORT))
        .map(({ name }) => name),
    ).toEqual([]);
  });

  const columns = Array.from({ length: 1_000 }, (_, i) => `Na ${i}`).join('\t');
  it.each([
    ['a megabyte of one header', 'ASSESSMENT:\n'.repeat(83_334)],
    ['100,000 bullets', '- '.repeat(100_000)],
    ['10,000 times no', 'no '.repeat(10_000)],
    ['5,000 medications', 'metoprolol succinate 50 mg po bid\n'.repeat(5_000)],
    ['a table of 1,000 columns', `${columns}\n`.repeat(20)],
    ['100,000 open brackets', '('.repeat(100_000)],
    ['a word of a million letters', 'x'.repeat(1_000_000)],
  ])('reads %s in time, and half of it in half the time', (_, text) => {
    expect(isTooSlow(text)).toBe(false);
    expect(outgrows(readMs, text.slice(0, text.length / 2), text, 2)).toBe(false);
  });
});
