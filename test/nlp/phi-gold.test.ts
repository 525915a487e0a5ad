import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPhi } from '../../nlp/6-phi/index.js';

interface GoldNote {
  readonly text: string;
  readonly gold: readonly {
    readonly kind: string;
    readonly start: number;
    readonly end: number;
    readonly optional: boolean;
  }[];
}

/**
 * Notes of our own with `{KIND words}` around personal data, by lines of `=====`; `{?KIND words}` may be hidden or not.
 * The weights have learned from them: this guards against regressions and says nothing of unseen notes.
 */
function goldNotes(): GoldNote[] {
  const file = readFileSync(join(import.meta.dirname, 'phi', 'notes.txt'), 'utf8');
  return file.split('\n=====\n').map((marked) => {
    const gold: { kind: string; start: number; end: number; optional: boolean }[] = [];
    let text = '';
    let at = 0;
    for (const match of marked.matchAll(/\{(\??)([A-Z-]+) ([^}]+)\}/g)) {
      text += marked.slice(at, match.index);
      const [, mark, kind, words] = match as unknown as [string, string, string, string];
      gold.push({
        kind: kind.toLowerCase(),
        start: text.length,
        end: text.length + words.length,
        optional: mark === '?',
      });
      text += words;
      at = match.index + match[0].length;
    }
    return { text: text + marked.slice(at), gold };
  });
}

describe('personal data of varied notes', () => {
  let gold = 0;
  let hidden = 0;
  let found = 0;
  let right = 0;
  const missed: string[] = [];
  const wrong: string[] = [];
  for (const note of goldNotes()) {
    const finds = findPhi(note.text);
    const isHidden = (at: number) => finds.some((find) => find.start <= at && at < find.end);
    for (const span of note.gold) {
      if (span.optional) continue;
      gold++;
      let all = true;
      for (let at = span.start; at < span.end; at++)
        if (/[\p{L}\p{N}]/u.test(note.text[at]!) && !isHidden(at)) all = false;
      if (all) hidden++;
      else missed.push(`${span.kind}: ${note.text.slice(span.start, span.end)}`);
    }
    for (const find of finds) {
      found++;
      if (note.gold.some((span) => span.start < find.end && find.start < span.end)) right++;
      else wrong.push(`${find.kind}: ${find.text}`);
    }
  }

  it('is hidden whole in at least 95 of 100 places', () => {
    expect(gold).toBeGreaterThan(100);
    expect(hidden / gold, `missed: ${missed.join('; ')}`).toBeGreaterThanOrEqual(0.95);
  });

  it('is what is hidden in at least 95 of 100 places', () => {
    expect(right / found, `wrongly hidden: ${wrong.join('; ')}`).toBeGreaterThanOrEqual(0.95);
  });
});
