import fc from 'fast-check';
import type { Resource } from '../../src/core/resource.js';
import { rangesOf } from '../../src/indexing/index.js';

/** Random resources that refer to each other, and random searches and orders of them. */

// Small sets of values, so that searches often match and often collide.
const NAMES = ['Ann', 'anna', 'Ánna', 'Bob', 'bo', 'van den Berg', 'Berg'];
const CODES = ['A', 'B', 'C'];
const SYSTEMS = ['urn:s1', 'urn:s2'];
const DATES = [
  '2019',
  '2020',
  '2020-02',
  '2020-02-29',
  '2020-02-29T23:30:00Z',
  '2020-03-01T00:30:00+01:00',
  '2021-12-31',
];
const NUMBERS = [0, 1, 1.5, 2, 10, 100];
const IDS = ['1', '2', '3', '4', '5', '6'];

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const coding = fc.record({ system: optional(fc.constantFrom(...SYSTEMS)), code: fc.constantFrom(...CODES) });
const concept = fc.record({
  coding: fc.array(coding, { maxLength: 2 }),
  text: optional(fc.constantFrom(...NAMES)),
});
const reference = (...types: string[]) =>
  fc
    .tuple(fc.constantFrom(...types), fc.constantFrom(...IDS))
    .map(([type, id]) => ({ reference: `${type}/${id}` }));
const date = fc.constantFrom(...DATES);
/** A period that ends before it starts breaks R4's invariant per-1, and is no range to search in. */
const period = fc
  .record({ start: optional(date), end: optional(date) })
  .filter(
    ({ start, end }) =>
      start === undefined ||
      end === undefined ||
      rangesOf({ start, end })[0]!.lo <= rangesOf({ start, end })[0]!.hi,
  );

export const body = {
  Patient: fc.record({
    name: fc.array(
      fc.record({
        family: optional(fc.constantFrom(...NAMES)),
        given: fc.array(fc.constantFrom(...NAMES), { maxLength: 2 }),
      }),
      { maxLength: 2 },
    ),
    gender: optional(fc.constantFrom('male', 'female')),
    birthDate: optional(fc.constantFrom('2019', '2020', '2020-02', '2020-02-29')),
    generalPractitioner: fc.array(reference('Practitioner', 'Organization'), { maxLength: 2 }),
    identifier: fc.array(
      fc.record({ system: optional(fc.constantFrom(...SYSTEMS)), value: fc.constantFrom(...CODES) }),
      { maxLength: 2 },
    ),
  }),
  Practitioner: fc.record({
    name: fc.array(fc.record({ family: fc.constantFrom(...NAMES) }), { maxLength: 1 }),
  }),
  Organization: fc.record({
    name: optional(fc.constantFrom(...NAMES)),
    partOf: optional(reference('Organization')),
  }),
  Observation: fc.record({
    status: fc.constantFrom('final', 'preliminary'),
    code: concept,
    subject: optional(reference('Patient', 'Group')),
    performer: fc.array(reference('Practitioner', 'Patient'), { maxLength: 2 }),
    effectiveDateTime: optional(date),
    valueQuantity: optional(
      fc.record({
        value: fc.constantFrom(...NUMBERS),
        system: fc.constant('http://unitsofmeasure.org'),
        code: fc.constantFrom('g', 'mg', 'kg'),
      }),
    ),
  }),
  Encounter: fc.record({
    status: fc.constant('finished'),
    class: coding,
    subject: optional(reference('Patient')),
    period: optional(period),
  }),
} as const;

export type Type = keyof typeof body;
export const TYPES = Object.keys(body) as Type[];

/** Drops undefined members and empty lists, which JSON of FHIR does not have. */
function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean).filter((v) => v !== undefined);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .map(([name, v]) => [name, clean(v)] as const)
    .filter(([, v]) => v !== undefined && !(Array.isArray(v) && v.length === 0));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

export const resources = fc.tuple(
  ...TYPES.flatMap((type) =>
    IDS.map((id) => body[type].map((b) => ({ resourceType: type, id, ...(clean(b) as object) }) as Resource)),
  ),
);

const names = fc.constantFrom('ann', 'b', 'BERG', 'ánna', 'van', 'x');
const token = fc.oneof(
  fc.constantFrom(...CODES),
  fc
    .tuple(fc.constantFrom(...SYSTEMS, ''), fc.constantFrom(...CODES, ''))
    .filter(([s, c]) => s + c !== '')
    .map((p) => p.join('|')),
);
const prefix = fc.constantFrom('', 'eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb');
const dated = fc.tuple(prefix, date).map((p) => p.join(''));
const number = fc.tuple(prefix, fc.constantFrom('1', '1.5', '2.0', '10', '1e2', '0')).map((p) => p.join(''));
const quantity = fc
  .tuple(
    number,
    fc.constantFrom('', '', '|http://unitsofmeasure.org|g', '|http://unitsofmeasure.org|mg', '||kg'),
  )
  .map((p) => p.join(''));
const id = fc.constantFrom(...IDS);
const many = (value: fc.Arbitrary<string>) =>
  fc.array(value, { minLength: 1, maxLength: 2 }).map((v) => v.join(','));
const param = (name: string | fc.Arbitrary<string>, value: fc.Arbitrary<string>) =>
  fc.tuple(typeof name === 'string' ? fc.constant(name) : name, value);
const of = (...names_: string[]) => fc.constantFrom(...names_);
const missing = (...codes: string[]) =>
  param(
    of(...codes).map((c) => `${c}:missing`),
    of('true', 'false'),
  );

export type Param = [string, string];

/** Comparisons put together by `and`, `or`, `not` and parentheses. */
const filterOf = (...comparisons: fc.Arbitrary<string>[]): fc.Arbitrary<Param> =>
  fc
    .letrec((tie) => ({
      one: fc.oneof({ weight: 3, arbitrary: fc.oneof(...comparisons) }, { weight: 1, arbitrary: tie('not') }),
      not: fc.oneof({ maxDepth: 2 }, fc.oneof(...comparisons), tie('all')).map((e) => `not (${e})`),
      all: fc
        .tuple(tie('one'), fc.array(fc.tuple(of('and', 'or'), tie('one')), { maxLength: 3 }))
        .map(([first, rest]) => [first, ...rest.map(([word, e]) => `${word} (${e})`)].join(' ')),
    }))
    .all.map((text) => ['_filter', text as string]);
const comparing = (name: string, operators: string[], value: fc.Arbitrary<string>) =>
  fc.tuple(of(...operators), value).map(([operator, v]) => `${name} ${operator} "${v}"`);
const ORDERED = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb'];
const TEXTUAL = ['eq', 'ne', 'co', 'sw', 'ew', 'gt', 'lt', 'ge', 'le'];
const anyDate = fc.constantFrom(...DATES);
export const PARAMS: Record<Type, fc.Arbitrary<Param>> = {
  Patient: fc.oneof(
    param(of('name', 'family', 'given', 'name:contains', 'family:contains'), many(names)),
    param(of('family:exact'), fc.constantFrom(...NAMES)),
    param(of('gender', 'gender:not'), many(of('male', 'female'))),
    param('birthdate', many(dated)),
    param('identifier', many(token)),
    param(of('general-practitioner', 'general-practitioner:Practitioner'), many(id)),
    param('_id', many(id)),
    missing('name', 'gender', 'birthdate', 'general-practitioner', 'identifier'),
    param(
      of(
        'general-practitioner.name',
        'general-practitioner:Practitioner.family',
        'general-practitioner:Organization.partof.name',
      ),
      names,
    ),
    param(
      of(
        '_has:Observation:patient:code',
        '_has:Observation:subject:code:not',
        '_has:Observation:performer:code',
      ),
      token,
    ),
    param('_has:Encounter:patient:date', dated),
    param('_has:Observation:patient:performer:Practitioner.family:contains', names),
    param('_has:Observation:patient:performer:Patient._has:Encounter:subject:class', token),
    param('general-practitioner:Organization.partof.partof.partof.partof.name', names),
    filterOf(
      comparing('family', TEXTUAL, names),
      comparing('given', TEXTUAL, names),
      comparing('birthdate', [...ORDERED, 'po', 'co'], anyDate),
      comparing('gender', ['eq', 'ne'], of('male', 'female')),
      comparing('gender', ['pr'], of('true', 'false')),
      comparing('identifier', ['eq', 'ne'], token),
      comparing('general-practitioner', ['re'], of('Practitioner/1', 'Organization/2')),
      comparing('general-practitioner[name co "b"].name', ['sw', 'ew'], names),
      comparing('_has:Observation:patient:date', ORDERED, anyDate),
    ),
  ),
  Practitioner: fc.oneof(
    param('family', names),
    param('_has:Patient:general-practitioner:family', names),
    param('_has:Observation:performer:_id', id),
  ),
  Organization: fc.oneof(
    param('name:contains', names),
    param('partof', id),
    param('partof.partof.name', names),
    param(of('partof.partof.partof.partof.partof.name', 'partof.partof.partof.name:contains'), names),
    param('_has:Organization:partof:_has:Organization:partof:_has:Organization:partof:name', names),
    param('_has:Organization:partof:name', names),
  ),
  Observation: fc.oneof(
    param(of('code', 'code:not'), many(token)),
    param('code:text', names),
    param('status', of('final', 'preliminary')),
    param(of('subject', 'patient', 'subject:Patient', 'performer'), many(id)),
    param('date', many(dated)),
    param('value-quantity', many(quantity)),
    param('_id', many(id)),
    missing('code', 'subject', 'patient', 'date', 'value-quantity', 'performer'),
    param(
      of(
        'patient.name',
        'subject.name',
        'subject:Patient.family:contains',
        'performer:Practitioner.name',
        'patient.general-practitioner.name',
      ),
      names,
    ),
    param('patient._has:Encounter:subject:date', dated),
    param('patient.gender:missing', of('true', 'false')),
    param(
      of('code-value-quantity', 'combo-code-value-quantity'),
      many(fc.tuple(token, quantity).map((p) => p.join('$'))),
    ),
    filterOf(
      comparing('code', ['eq', 'ne'], token),
      comparing('date', [...ORDERED, 'po', 'co'], anyDate),
      comparing('value-quantity', ORDERED, of('1', '1.5', '10')),
      comparing('status', ['eq', 'ne'], of('final', 'preliminary')),
      comparing('subject', ['pr'], of('true', 'false')),
      comparing('patient.family', ['eq', 'co', 'ew'], names),
      comparing('code-value-quantity[code eq A].value-quantity', ['eq', 'gt', 'le'], of('1', '2')),
    ),
  ),
  Encounter: fc.oneof(
    param('date', many(dated)),
    param('class', token),
    param('subject.birthdate', dated),
    missing('date', 'subject'),
  ),
};

export const question = fc
  .constantFrom(...TYPES)
  .chain((type) => fc.tuple(fc.constant(type), fc.array(PARAMS[type], { minLength: 1, maxLength: 3 })));

/** What each type can be sorted by: dates, quantities, strings, tokens, ids. */
const SORTS: Partial<Record<Type, string[]>> = {
  Patient: ['family', 'gender', 'birthdate', '_id'],
  Observation: ['date', 'status', 'value-quantity', '_id', '_lastUpdated'],
  Encounter: ['date', 'status', '_id'],
};
export const sorted = fc.constantFrom('Patient', 'Observation', 'Encounter').chain((type) =>
  fc.tuple(
    fc.constant(type),
    fc.array(PARAMS[type as Type], { maxLength: 1 }),
    fc
      .shuffledSubarray(SORTS[type as Type]!, { minLength: 1, maxLength: 3 })
      .chain((codes) =>
        fc.tuple(...codes.map((c) => fc.constantFrom(c, `-${c}`))).map((keys) => keys as string[]),
      ),
  ),
);
