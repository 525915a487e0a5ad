import type { Resource } from '../../src/core/resource.js';
import { compileParameter, indexResource, matchesParameter } from '../../src/indexing/index.js';
import { context, holds, query, resource } from './support.js';

/** Both ways to answer must give the same: the rows through the clause, and the resource itself. */
export function found(of: Resource, text: string): boolean {
  const q = query(of.resourceType, text);
  const { clause, exact } = compileParameter(q, context);
  const byRows = holds(clause, indexResource(of, context));
  const byBody = matchesParameter(q, of, context);
  if (byBody && !byRows) throw new Error(`${text}: the rows miss what the resource satisfies`);
  if (exact && byRows !== byBody)
    throw new Error(`${text}: said to be exact, but rows ${byRows}, resource ${byBody}`);
  return byBody;
}

export const LOINC = 'http://loinc.org';
export const UCUM = 'http://unitsofmeasure.org';
export const code = (c: string, display?: string) => ({
  coding: [{ system: LOINC, code: c, ...(display ? { display } : {}) }],
});
export const quantity = (value: number, unit: string, c = unit) => ({ value, unit, system: UCUM, code: c });

/** A Patient with every kind of value that the rules of search speak of. */
export const person = resource('Patient', {
  name: [{ family: 'Müller-Łukasiewicz', given: ['Ann Marie', 'Zoë'], prefix: ['Dr'] }, { text: 'Annie M' }],
  address: [{ line: ['12 High Street'], city: 'Saint-Étienne', postalCode: '42000' }],
  identifier: [
    {
      system: 'http://hospital.example/mrn',
      value: 'A|7',
      type: {
        coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }],
        text: 'Record number',
      },
    },
    { value: 'bare' },
  ],
  telecom: [
    { system: 'phone', value: '+1 (555) 010-9999' },
    { system: 'email', value: 'Ann@Example.org' },
  ],
  gender: 'female',
  active: true,
  birthDate: '1970-06',
  deceasedBoolean: false,
  generalPractitioner: [
    { reference: 'Practitioner/dr' },
    { reference: 'http://other.example/fhir/Organization/o' },
    { identifier: { system: 'http://npi', value: '77' }, type: 'Practitioner' },
  ],
  meta: {
    tag: [{ system: 'http://t', code: 'x' }],
    profile: ['http://p.example/a|2.0'],
    source: 'http://s.example/a/b#c',
  },
});
