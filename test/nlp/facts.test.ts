import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createClinicalPipeline, type Mention } from '../../nlp/index.js';
import { nlpRoot } from '../../nlp/rules/load.js';

/**
 * A note and the facts that must come out of it: `type:words` of an accepted mention (`_` for a space, `|` between
 * types, `family_` before what the family has), then what is said of it as `attribute=normalised`. A frequency is
 * written `2/d@HS`: times per period, the events or days after `@`, a count after `#`. `code` asks for one among the
 * codes. `~` asks for words in the text
 * of the attribute, `@` and `#` after `frequency` for that part alone.
 */
interface Row {
  readonly text: string;
  readonly facts: readonly string[];
}

/** `facts.json`, then the files of `facts/`, one a subject. */
const here = join(nlpRoot(), '..', 'test', 'nlp');
const files = ['facts.json', ...readdirSync(join(here, 'facts')).map((name) => join('facts', name))];
const rows = files.flatMap((file) => JSON.parse(readFileSync(join(here, file), 'utf8')) as Row[]);
const pipeline = createClinicalPipeline();
const TODAY = '2026-03-10';

interface Repeat {
  readonly frequency?: number;
  readonly frequencyMax?: number;
  readonly period?: number;
  readonly periodMax?: number;
  readonly periodUnit?: string;
  readonly when?: readonly string[];
  readonly dayOfWeek?: readonly string[];
  readonly count?: number;
}

function rhythm(normalized: string | undefined): string {
  if (!normalized) return '';
  const { repeat } = JSON.parse(normalized) as { repeat: Repeat };
  const range = (low?: number, high?: number) => `${low ?? ''}${high === undefined ? '' : `-${high}`}`;
  let words = '';
  if (repeat.period !== undefined) {
    const period = range(repeat.period, repeat.periodMax);
    words = `${range(repeat.frequency, repeat.frequencyMax)}/${period === '1' ? '' : period}${repeat.periodUnit}`;
  }
  if (repeat.when) words += `@${repeat.when.join(',')}`;
  if (repeat.dayOfWeek) words += `@${repeat.dayOfWeek.join(',')}`;
  return repeat.count === undefined ? words : `${words}#${repeat.count}`;
}

function says(mention: Mention, wanted: string): boolean {
  const [, type, operator, raw] = /^([a-z-]+)([=~@#])(.*)$/.exec(wanted)!;
  const value = raw!.replaceAll('_', ' ');
  if (type === 'code') return mention.concepts.some(({ code }) => code === value);
  return mention.attributes.some((attribute) => {
    if (attribute.type !== type) return false;
    if (type === 'frequency') {
      const found = rhythm(attribute.normalized);
      return operator === '=' ? found === value : found.includes(`${operator}${value}`);
    }
    if (operator === '~') return attribute.text.includes(value);
    return (attribute.normalized ?? attribute.text) === value;
  });
}

describe('facts that notes state', () => {
  it.each(rows)('$text', ({ text, facts }) => {
    const { mentions } = pipeline.annotate(text, { id: 'fact', date: TODAY });
    const missing = facts.flatMap((fact) => {
      const [head = '', ...attributes] = fact.split(' ');
      const family = head.startsWith('family_');
      const [types = '', words = ''] = head.replace('family_', '').split(':');
      const found = mentions.filter(
        (mention) =>
          mention.accepted &&
          (types === '*' || types.split('|').includes(mention.type)) &&
          mention.text.toLowerCase().includes(words.replaceAll('_', ' ')) &&
          (mention.assertion.experiencer === 'family') === family,
      );
      if (found.length === 0) return [head];
      return attributes
        .filter((wanted) => !found.some((mention) => says(mention, wanted)))
        .map((wanted) => `${head} ${wanted}`);
    });
    expect(missing).toEqual([]);
  });
});
