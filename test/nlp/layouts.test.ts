import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { createClinicalPipeline, type Mention } from '../../nlp/index.js';
import { nlpRoot } from '../../nlp/rules/load.js';

/**
 * A note or a part of one, set as some record system, hand or scanner sets it: its sections in order, each with its
 * kind and the first words below its header, and what must and must not come out of it as a fact (`type:words`, with
 * `patient` or `current` before the type where only that counts).
 */
interface Layout {
  readonly style: string;
  readonly text: string;
  readonly sections: readonly string[];
  readonly must?: readonly string[];
  readonly mustNot?: readonly string[];
}

const layouts = JSON.parse(
  readFileSync(join(nlpRoot(), '..', 'test', 'nlp', 'layouts.json'), 'utf8'),
) as Layout[];
const pipeline = createClinicalPipeline();

function fits(mention: Mention, pattern: string): boolean {
  const [head = '', words = ''] = pattern.split(':');
  const [type, qualifier] = head.split(' ').reverse();
  if (!mention.accepted || mention.type !== type || !mention.text.toLowerCase().includes(words)) return false;
  if (qualifier === 'patient') return mention.assertion.experiencer === 'patient';
  return qualifier !== 'current' || mention.assertion.temporality === 'current';
}

describe('layouts of notes', () => {
  it.each(layouts)('$style', ({ text, sections, must = [], mustNot = [] }) => {
    const found = segmentText(text).sections.map(({ kind, bodyStart, end }, i) => {
      const body = text.slice(bodyStart, end).trim();
      const words = sections[i]?.slice(sections[i].indexOf(':') + 1).trim() ?? '';
      return `${kind}: ${body.startsWith(words) ? words : body}`.trim();
    });
    expect(found).toEqual(sections);
    const { mentions } = pipeline.annotate(text, { id: 'layout' });
    const matched = (pattern: string) => mentions.some((mention) => fits(mention, pattern));
    expect(must.filter((pattern) => !matched(pattern))).toEqual([]);
    expect(mustNot.filter(matched)).toEqual([]);
  });

  it('keep their sections, each character in one, and each token in one sentence, whatever the line ends', () => {
    for (const { style, text } of layouts) {
      const kinds: string[][] = [];
      for (const written of [text, text.replace(/\r?\n/g, '\r\n')]) {
        const { sections, sentences, tokens } = segmentText(written);
        let at = 0;
        for (const section of sections) {
          expect([style, section.start]).toEqual([style, at]);
          expect(section.bodyStart >= at && section.bodyStart <= section.end).toBe(true);
          at = section.end;
        }
        expect([style, at]).toEqual([style, written.length]);
        let token = 0;
        for (const sentence of sentences) {
          expect([style, sentence.firstToken]).toEqual([style, token]);
          token = sentence.lastToken;
        }
        expect([style, token]).toEqual([style, tokens.length]);
        kinds.push(sections.map(({ kind }) => kind));
      }
      expect([style, kinds[1]]).toEqual([style, kinds[0]]);
    }
  });
});
