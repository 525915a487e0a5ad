import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { mix } from '../../nlp/2-mention/hash.js';
import { type Reviser, reviserOf, shippedReviser } from '../../nlp/4-attribute/directions.js';
import { LABELS } from '../../nlp/4-attribute/directions-features.js';
import {
  type DirectionsModel,
  DirectionsTagger,
  decodeDirections,
  encodeDirections,
} from '../../nlp/4-attribute/directions-model.js';
import { withAttributes } from '../../nlp/4-attribute/index.js';
import type { Mention } from '../../nlp/model.js';

/** The feature that every token has. */
const EVERY_TOKEN = mix(1, 0);

/** A model that thinks of every token alike: that much for each label. */
function opinion(weights: readonly number[]): DirectionsModel {
  return {
    features: Int32Array.of(EVERY_TOKEN),
    weights: Int8Array.from(weights),
    unit: 1,
    transitions: new Array<number>(LABELS * LABELS).fill(0),
    start: new Array<number>(LABELS).fill(0),
  };
}

const NOTHING = opinion([9, 0, 0, 0, 0, 0, 0, 0, 0]);

/** What is said of `drug`, as `type words=normalized`. */
function said(text: string, drug: string, revise: Reviser): string[] {
  const start = text.indexOf(drug);
  const mention: Mention = {
    start,
    end: start + drug.length,
    text: drug,
    type: 'medication',
    assertion: { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' },
    attributes: [],
    concepts: [],
    score: 1,
    accepted: true,
  };
  const [done] = withAttributes(
    { context: { id: 'x' }, text, ...segmentText(text), mentions: [mention] },
    revise,
  );
  return done!.attributes.map(({ type, text: words, normalized }) =>
    normalized === undefined ? `${type} ${words}` : `${type} ${words}=${normalized}`,
  );
}

describe('what a model has learned of directions beside the rules', () => {
  const prose = 'The patient was given prednisolone 40 mg orally by her own doctor.';
  const list = '- prednisolone 40 mg orally';

  test('takes back a dose that it all but excludes, and nothing else', () => {
    const sceptic = reviserOf(new DirectionsTagger(NOTHING));
    expect(said(prose, 'prednisolone', sceptic)).toEqual(['route orally=26643006']);
  });

  test('says nothing of lists, which the rules know better', () => {
    const sceptic = reviserOf(new DirectionsTagger(NOTHING));
    expect(said(list, 'prednisolone', sceptic)).toEqual(
      said(list, 'prednisolone', (_t, _r, _k, ties) => ties),
    );
  });

  test('adds words that the rules do not know, without a number or code of their own', () => {
    expect(
      said(
        'We report a fatal case of sepsis after cisplatin chemotherapy in a patient with lung cancer.',
        'cisplatin',
        shippedReviser(),
      ),
    ).toEqual(['route chemotherapy']);
  });

  test('leaves as they are directions that the rules read well', () => {
    expect(
      said(
        'The patient was then started on oral prednisolone at a dose of 40 mg daily for two weeks.',
        'prednisolone',
        shippedReviser(),
      ),
    ).toEqual(expect.arrayContaining(['route oral=26643006', 'dose 40 mg=40 mg', 'duration two weeks=2 wk']));
  });

  test('is the same after it was written and read', () => {
    expect(decodeDirections(gzipSync(encodeDirections(NOTHING)))).toEqual(NOTHING);
  });
});
