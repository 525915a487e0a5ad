import { expect, it } from 'vitest';
import type { StoredResource } from '../../src/core/resource.js';
import { eventOf, type TimelineEvent } from '../../src/timeline/event.js';
import { foldFacts } from '../../src/timeline/fold.js';

const DERIVED = 'https://cenote.health/fhir/StructureDefinition/derived-from-document';

interface Reading {
  readonly name: string;
  readonly value: number;
  readonly unit?: string;
  readonly day?: string;
  /** Read out of a note, which has no code for it unless `code` is given. */
  readonly derived?: true;
  readonly code?: string;
}

function reading(
  { name, value, unit = '%', day = '2020-03-01', derived, code }: Reading,
  i: number,
): TimelineEvent {
  const known = derived ? code : (code ?? 'result');
  return eventOf({
    resourceType: 'Observation',
    id: `o${i}`,
    meta: { versionId: '1', lastUpdated: '2020-03-02T00:00:00Z' },
    status: 'final',
    effectiveDateTime: day,
    valueQuantity: { value, unit },
    code: { text: name, ...(known ? { coding: [{ system: 'urn:tests', code: known, display: name }] } : {}) },
    ...(derived
      ? { extension: [{ url: DERIVED, valueReference: { reference: `DocumentReference/${i}` } }] }
      : {}),
  } as unknown as StoredResource)!;
}

const result: Reading = { name: 'Hemoglobin A1c', value: 9.8 };

it.each<[what: string, told: Reading[], stay: string[]]>([
  ['by part of its name', [result, { name: 'A1c', value: 9.8, derived: true }], ['Hemoglobin A1c']],
  ['not with another value', [result, { name: 'A1c', value: 9.7, derived: true }], ['Hemoglobin A1c', 'A1c']],
  [
    'not in another unit',
    [result, { name: 'A1c', value: 9.8, unit: 'mmol/mol', derived: true }],
    ['Hemoglobin A1c', 'A1c'],
  ],
  [
    'not of another day',
    [result, { name: 'A1c', value: 9.8, derived: true, day: '2020-03-02' }],
    ['Hemoglobin A1c', 'A1c'],
  ],
  [
    'not by words that it lacks',
    [result, { name: 'A1c today', value: 9.8, derived: true }],
    ['Hemoglobin A1c', 'A1c today'],
  ],
  [
    'not where two results are meant as well',
    [result, { ...result, name: 'A1c, capillary' }, { name: 'A1c', value: 9.8, derived: true }],
    ['Hemoglobin A1c', 'A1c, capillary', 'A1c'],
  ],
  [
    'not where the note’s own code says another thing',
    [result, { name: 'A1c', value: 9.8, derived: true, code: 'other' }],
    ['Hemoglobin A1c', 'A1c'],
  ],
])('a reading without a code is that of a result of the day: %s', (_, told, stay) => {
  const events = told.map(reading);
  const folded = foldFacts(events);
  expect(folded.map((e) => e.title.split(':')[0])).toEqual(stay);
  expect(new Set(folded.flatMap((e) => e.sources))).toEqual(new Set(events.flatMap((e) => e.sources)));
});
