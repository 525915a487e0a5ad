import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import { Decimal } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import { compileParameter, indexResource, matchesParameter } from '../../src/indexing/index.js';
import { context, holds, query } from './support.js';

/** Cases of a run; `CENOTE_PROPERTY_CASES` raises it for long runs. */
const CASES = Number(process.env.CENOTE_PROPERTY_CASES ?? 3_000);

const SYSTEMS = ['http://a.example', 'http://b.example'];
const CODES = ['x', 'y', 'X'];
const WORDS = [
  'Ann',
  'anné',
  'An',
  'Müller',
  'muller-x',
  'Jo Ann',
  'a',
  'ann marie louise the third of that name',
];
const UNITS = ['kg', 'g', 'mg', '[lb_av]', 'cm', '{score}', 'mm[Hg]', '1'];
const DATES = [
  '2019',
  '2020',
  '2020-02',
  '2020-02-29',
  '2020-03-01',
  '2020-02-29T23:59:59Z',
  '2020-03-01T00:30:00+01:00',
  '2020-02-29T23:59:59.5Z',
  '1999-12-31',
  '2021',
];
const NUMBERS = [
  '5',
  '5.0',
  '5.4',
  '5.40',
  '5.35',
  '5.45',
  '0',
  '-5.4',
  '100',
  '99.5',
  '1e2',
  '5400',
  '0.0054',
  '12',
];

const pick = <T>(values: readonly T[]) => fc.constantFrom(...values);
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

const coding = fc.record({
  system: maybe(pick(SYSTEMS)),
  code: maybe(pick(CODES)),
  display: maybe(pick(WORDS)),
});
const concept = fc.record({ coding: maybe(fc.array(coding, { maxLength: 2 })), text: maybe(pick(WORDS)) });
const number = pick(NUMBERS).map((digits) =>
  String(Number(digits)) === digits ? Number(digits) : new Decimal(digits),
);
const quantity = fc.record({
  value: maybe(number),
  comparator: fc.option(pick(['<', '<=', '>', '>=']), { nil: undefined, freq: 5 }),
  unit: maybe(pick(UNITS)),
  system: maybe(pick(['http://unitsofmeasure.org', 'http://a.example'])),
  code: maybe(pick(UNITS)),
});
const period = fc.record({ start: maybe(pick(DATES)), end: maybe(pick(DATES)) });
const reference = fc.record({
  reference: maybe(
    pick([
      'Patient/x',
      'Patient/y',
      'Group/x',
      'http://a.example/fhir/Patient/x',
      `${context.base}/Patient/y`,
      'urn:uuid:1',
      '#x',
      'Patient/x/_history/1',
    ]),
  ),
  type: maybe(pick(['Patient', 'Group'])),
  identifier: maybe(fc.record({ system: maybe(pick(SYSTEMS)), value: maybe(pick(CODES)) })),
});
const value = fc.oneof(
  quantity.map((q) => ({ valueQuantity: q })),
  concept.map((c) => ({ valueCodeableConcept: c })),
  pick(WORDS).map((w) => ({ valueString: w })),
  pick(DATES).map((d) => ({ valueDateTime: d })),
  period.map((p) => ({ valuePeriod: p })),
  fc.constant({}),
);

const observation = fc
  .tuple(
    fc.record({
      status: maybe(pick(CODES)),
      code: maybe(concept),
      category: maybe(fc.array(concept, { maxLength: 2 })),
      subject: maybe(reference),
      focus: maybe(fc.array(reference, { maxLength: 2 })),
      effectiveDateTime: maybe(pick(DATES)),
      meta: maybe(
        fc.record({
          tag: maybe(fc.array(coding, { maxLength: 2 })),
          profile: maybe(
            fc.array(pick(['http://a.example/p', 'http://a.example/p|1', 'http://a.example/p/q']), {
              maxLength: 2,
            }),
          ),
        }),
      ),
    }),
    value,
    maybe(
      fc.array(
        fc.tuple(fc.record({ code: maybe(concept) }), value).map(([a, b]) => ({ ...a, ...b })),
        { maxLength: 2 },
      ),
    ),
  )
  .map(([root, v, component]) => clean({ resourceType: 'Observation', id: 'r', ...root, ...v, component }));

const patient = fc
  .record({
    name: maybe(
      fc.array(
        fc.record({
          family: maybe(pick(WORDS)),
          given: maybe(fc.array(pick(WORDS), { maxLength: 2 })),
          text: maybe(pick(WORDS)),
        }),
        { maxLength: 2 },
      ),
    ),
    identifier: maybe(
      fc.array(fc.record({ system: maybe(pick(SYSTEMS)), value: maybe(pick(CODES)), type: maybe(concept) }), {
        maxLength: 2,
      }),
    ),
    telecom: maybe(
      fc.array(fc.record({ system: maybe(pick(['phone', 'email'])), value: maybe(pick(CODES)) }), {
        maxLength: 2,
      }),
    ),
    birthDate: maybe(pick(DATES.filter((d) => d.length <= 10))),
    active: maybe(fc.boolean()),
    generalPractitioner: maybe(fc.array(reference, { maxLength: 2 })),
  })
  .map((members) => clean({ resourceType: 'Patient', id: 'r', ...members }));

const encounter = fc
  .record({ period: maybe(period), class: maybe(coding), subject: maybe(reference), length: maybe(quantity) })
  .map((members) => clean({ resourceType: 'Encounter', id: 'r', ...members }));

/** Drops absent members and empty objects and arrays, as JSON that passed the check has none. */
function clean(node: unknown): Resource {
  const tidy = (n: unknown): unknown => {
    if (Array.isArray(n)) {
      const list = n.map(tidy).filter((v) => v !== undefined);
      return list.length > 0 ? list : undefined;
    }
    if (typeof n !== 'object' || n === null || n instanceof Decimal) return n;
    const entries = Object.entries(n).flatMap(([k, v]) =>
      tidy(v) === undefined ? [] : [[k, tidy(v)] as const],
    );
    return entries.length > 0 ? Object.fromEntries(entries) : undefined;
  };
  return tidy(node) as Resource;
}

const tokenText = fc.oneof(
  pick(CODES),
  fc.tuple(pick(SYSTEMS), pick(CODES)).map(([s, c]) => `${s}|${c}`),
  pick(CODES).map((c) => `|${c}`),
  pick(SYSTEMS).map((s) => `${s}|`),
);
const prefix = pick(['', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap']);
const dateText = fc.tuple(prefix, pick(DATES)).map((p) => p.join(''));
const quantityText = fc
  .tuple(
    prefix,
    pick(NUMBERS),
    fc.oneof(
      fc.constant(''),
      pick(UNITS).map((u) => `||${u}`),
      pick(UNITS).map((u) => `|http://unitsofmeasure.org|${u}`),
    ),
  )
  .map((p) => p.join(''));
const referenceText = pick([
  'x',
  'Patient/x',
  'Patient/y',
  'Group/x',
  'http://a.example/fhir/Patient/x',
  'urn:uuid:1',
  'Patient/x/_history/1',
  `${context.base}/Patient/y`,
]);
const values = (one: fc.Arbitrary<string>) =>
  fc.array(one, { minLength: 1, maxLength: 3 }).map((v) => v.join(','));

function parameters(codes: string[], modifiers: string[], texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    fc.tuple(pick(codes), pick(modifiers), values(texts)).map(([c, m, v]) => `${c}${m}=${v}`),
    fc.tuple(pick(codes), fc.boolean()).map(([c, missing]) => `${c}:missing=${missing}`),
  );
}

const QUERIES: Record<string, fc.Arbitrary<string>> = {
  Observation: fc.oneof(
    parameters(
      [
        'status',
        'code',
        'category',
        'combo-code',
        'component-code',
        'value-concept',
        'combo-value-concept',
        '_tag',
      ],
      ['', ':not'],
      tokenText,
    ),
    parameters(['code', 'category', 'combo-code'], [':text'], pick(WORDS)),
    parameters(['date', 'value-date'], [''], dateText),
    parameters(['value-quantity', 'component-value-quantity', 'combo-value-quantity'], [''], quantityText),
    parameters(['subject', 'patient', 'focus'], ['', ':Patient', ':Group'], referenceText),
    parameters(['subject', 'focus', 'patient'], [':identifier'], tokenText),
    parameters(['value-string'], ['', ':exact', ':contains'], pick(WORDS)),
    parameters(
      ['_profile'],
      ['', ':above', ':below'],
      pick(['http://a.example/p', 'http://a.example', 'http://a.example/p|1', 'http://a.example/p/q/r']),
    ),
    parameters(
      ['code-value-quantity', 'component-code-value-quantity', 'combo-code-value-quantity'],
      [''],
      fc.tuple(tokenText, quantityText).map((p) => p.join('$')),
    ),
    parameters(
      ['code-value-concept', 'combo-code-value-concept'],
      [''],
      fc.tuple(tokenText, tokenText).map((p) => p.join('$')),
    ),
    parameters(
      ['code-value-date'],
      [''],
      fc.tuple(tokenText, dateText).map((p) => p.join('$')),
    ),
    parameters(
      ['code-value-string'],
      [''],
      fc.tuple(tokenText, pick(WORDS)).map((p) => p.join('$')),
    ),
  ),
  Patient: fc.oneof(
    parameters(
      ['name', 'family', 'given'],
      ['', ':exact', ':contains'],
      pick([...WORDS, 'AN', 'e t', 'marie', 'hat name']),
    ),
    parameters(['identifier', 'telecom', 'phone'], ['', ':not'], tokenText),
    parameters(
      ['identifier'],
      [':of-type'],
      fc.tuple(pick(SYSTEMS), pick(CODES), pick(CODES)).map((p) => p.join('|')),
    ),
    parameters(['birthdate'], [''], dateText),
    parameters(['active'], ['', ':not'], pick(['true', 'false'])),
    parameters(['general-practitioner'], ['', ':Patient', ':identifier'], referenceText),
  ),
  Encounter: fc.oneof(
    parameters(['date'], [''], dateText),
    parameters(['class'], ['', ':not'], tokenText),
    parameters(['length'], [''], quantityText),
    parameters(['subject', 'patient'], [''], referenceText),
  ),
};

describe('what is written, what is searched and what is rechecked', () => {
  it('agree on random resources and queries', () => {
    let answered = 0;
    let positive = 0;
    let exactly = 0;
    fc.assert(
      fc.property(
        fc
          .oneof(observation, patient, encounter)
          .chain((r) =>
            fc.tuple(fc.constant(r), fc.array(QUERIES[r.resourceType]!, { minLength: 4, maxLength: 4 })),
          ),
        ([resource, texts]) => {
          const rows = indexResource(resource, context);
          for (const text of texts) {
            const q = query(resource.resourceType, text);
            let compiled: ReturnType<typeof compileParameter>;
            try {
              compiled = compileParameter(q, context);
            } catch (error) {
              // Some random texts are no references or tokens; both sides must then refuse in the same way.
              if (!isFault(error)) throw error;
              continue;
            }
            const byRows = holds(compiled.clause, rows);
            const byBody = matchesParameter(q, resource, context);
            answered++;
            if (byBody) positive++;
            if (compiled.exact) exactly++;
            if (byBody && !byRows) throw new Error(`${text}: the rows miss it`);
            if (compiled.exact && byRows !== byBody)
              throw new Error(`${text}: exact, but the rows say ${byRows}`);
          }
        },
      ),
      { numRuns: CASES },
    );
    // The generators must not drift into cases that never match.
    expect(positive / answered).toBeGreaterThan(0.1);
    expect(exactly / answered).toBeGreaterThan(0.5);
  });
});
