import { expect, it } from 'vitest';
import type { StoredResource } from '../../src/core/resource.js';
import { eventOf, type TimelineEvent } from '../../src/timeline/event.js';
import { foldFacts } from '../../src/timeline/fold.js';
import { drugOf } from '../../src/timeline/ingredient.js';

const DERIVED = 'https://cenote.health/fhir/StructureDefinition/derived-from-document';

function told(id: string, display: string, derived: boolean, day = '2020-03-01'): TimelineEvent {
  return eventOf({
    resourceType: derived ? 'MedicationStatement' : 'MedicationRequest',
    id,
    meta: { versionId: '1', lastUpdated: '2020-03-02T00:00:00Z' },
    status: 'active',
    ...(derived
      ? {
          effectiveDateTime: day,
          extension: [{ url: DERIVED, valueReference: { reference: `DocumentReference/${id}` } }],
        }
      : { authoredOn: day }),
    medicationCodeableConcept: { coding: [{ system: 'urn:drugs', code: display, display }] },
  } as unknown as StoredResource)!;
}

/** Displays told on one day (`*` by a record), and which of them stay. */
const ROWS: readonly [told: readonly string[], stay: readonly string[]][] = [
  [['lisinopril', '*lisinopril 20 MG Oral Tablet'], ['*lisinopril 20 MG Oral Tablet']],
  [['lisinopril', 'lisinopril 20 MG Oral Tablet [Prinivil]'], ['lisinopril']],
  [['Lisinopril', 'lisinopril'], ['Lisinopril']],
  // Two strengths: a change of dose must be seen.
  [
    ['lisinopril', '*lisinopril 10 MG Oral Tablet', '*lisinopril 20 MG Oral Tablet'],
    ['lisinopril', '*lisinopril 10 MG Oral Tablet', '*lisinopril 20 MG Oral Tablet'],
  ],
  // Who names no salt means the one that is told; two salts, and a combination, are other drugs.
  [
    ['metoprolol', '*metoprolol succinate 50 MG Extended Release Oral Tablet'],
    ['*metoprolol succinate 50 MG Extended Release Oral Tablet'],
  ],
  [
    ['metformin', '*metformin hydrochloride 500 MG Oral Tablet'],
    ['*metformin hydrochloride 500 MG Oral Tablet'],
  ],
  [
    ['metoprolol', 'metoprolol tartrate', '*metoprolol succinate 50 MG Extended Release Oral Tablet'],
    ['metoprolol', 'metoprolol tartrate', '*metoprolol succinate 50 MG Extended Release Oral Tablet'],
  ],
  [
    ['calcium carbonate', 'potassium chloride', 'sodium bicarbonate'],
    ['calcium carbonate', 'potassium chloride', 'sodium bicarbonate'],
  ],
  [
    ['lisinopril', 'hydrochlorothiazide 12.5 MG / lisinopril 20 MG Oral Tablet'],
    ['lisinopril', 'hydrochlorothiazide 12.5 MG / lisinopril 20 MG Oral Tablet'],
  ],
  // Two records are two events.
  [
    ['*lisinopril', '*lisinopril 20 MG Oral Tablet'],
    ['*lisinopril', '*lisinopril 20 MG Oral Tablet'],
  ],
];

it.each(ROWS)('tells of a drug once by ingredient and product: %j', (displays, stay) => {
  const events = displays.map((name, i) => told(`m${i}`, name.replace('*', ''), !name.startsWith('*')));
  const folded = foldFacts(events);
  expect(folded.map((e) => `${e.derived ? '' : '*'}${e.title}`)).toEqual(stay);
  // No source is lost.
  expect(new Set(folded.flatMap((e) => e.sources))).toEqual(new Set(events.flatMap((e) => e.sources)));
});

it('keeps what is told of two days', () => {
  const events = [
    told('a', 'lisinopril', true),
    told('b', 'lisinopril 20 MG Oral Tablet', false, '2020-03-02'),
  ];
  expect(foldFacts(events)).toHaveLength(2);
});

it.each([
  ['atorvastatin 40 MG Oral Tablet', 'atorvastatin', ['40 mg']],
  ['24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet', 'metformin', ['24 hr / 500 mg']],
  ['insulin glargine 100 UNT/ML Pen Injector [Lantus]', 'insulin glargine', ['100 unt/ml']],
  ['vitamin B12', 'vitamin b12', []],
])('reads ingredients and strengths of %s', (name, ingredients, strengths) => {
  expect(drugOf({ text: name })).toMatchObject({ ingredients, strengths });
});
