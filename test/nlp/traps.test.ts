import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createClinicalPipeline, type Mention } from '../../nlp/index.js';
import { nlpRoot } from '../../nlp/rules/load.js';

/**
 * A note with what must not come out of it as a fact and what must. Both are `[whose or when] type:words`: an accepted
 * mention of the type with the words in it, of the patient or the family (`patient`, `family`), or one still going
 * on (`current`). `finding` stands for diagnosis and symptom.
 */
interface Trap {
  readonly kind: string;
  readonly text: string;
  readonly mustNot: readonly string[];
  readonly must: readonly string[];
}

const traps = JSON.parse(readFileSync(join(nlpRoot(), '..', 'test', 'nlp', 'traps.json'), 'utf8')) as Trap[];
const pipeline = createClinicalPipeline();

function fits(mention: Mention, pattern: string): boolean {
  const [head, words] = [pattern.slice(0, pattern.indexOf(':')), pattern.slice(pattern.indexOf(':') + 1)];
  const [qualifier, type = ''] = head.includes(' ') ? head.split(' ') : [undefined, head];
  const types = type === 'finding' ? ['diagnosis', 'symptom'] : [type];
  if (!mention.accepted || !types.includes(mention.type) || !mention.text.toLowerCase().includes(words))
    return false;
  if (qualifier === 'patient' || qualifier === 'family') return mention.assertion.experiencer === qualifier;
  if (qualifier === 'current') return mention.assertion.temporality === 'current';
  return true;
}

describe('false facts', () => {
  it('there are enough traps', () => expect(traps.length).toBeGreaterThanOrEqual(100));

  it.each(traps.map((trap) => ({ ...trap, title: `${trap.kind}: ${trap.text.replaceAll('\n', ' / ')}` })))(
    '$title',
    ({ text, must, mustNot }) => {
      const { mentions } = pipeline.annotate(text, { id: 'trap' });
      const found = (pattern: string) => mentions.filter((mention) => fits(mention, pattern));
      expect(mustNot.filter((pattern) => found(pattern).length > 0)).toEqual([]);
      expect(must.filter((pattern) => found(pattern).length === 0)).toEqual([]);
    },
  );
});
