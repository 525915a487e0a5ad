import { describe, expect, it } from 'vitest';
import { type Fault, isFault } from '../../src/core/fault.js';
import { typeDefinition } from '../../src/fhir/elements.js';
import { narrativeFault } from '../../src/fhir/narrative.js';
import { compileExpression } from '../../src/fhir/paths.js';
import { requiredCodes } from '../../src/fhir/required-codes.js';
import { readTable } from '../../src/fhir/tables.js';
import { type ValidationLevel, validateResource } from '../../src/fhir/validate.js';

function faultsOf(resource: unknown, level: ValidationLevel = 'strict'): Fault[] {
  try {
    validateResource(resource, level);
  } catch (error) {
    if (isFault(error)) return [error, ...error.also];
    throw error;
  }
  return [];
}

const CLINICAL = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
const observation = { resourceType: 'Observation', status: 'final', code: { text: 'x' } };
const patient = { resourceType: 'Patient' };

describe('strict validation', () => {
  it.each([
    ['a code of the required set', { ...observation, status: 'amended' }],
    [
      'a concept with one code of the required set',
      {
        resourceType: 'Condition',
        subject: { reference: 'Patient/p' },
        clinicalStatus: {
          coding: [
            { system: 'http://x', code: 'y' },
            { system: CLINICAL, code: 'active' },
          ],
        },
      },
    ],
    ['a media type, whose codes nobody lists', { resourceType: 'Binary', contentType: 'text/made-up' }],
    [
      'a period that ends in the month it begins',
      {
        resourceType: 'Encounter',
        status: 'planned',
        class: { code: 'AMB' },
        period: { start: '2020-05-10', end: '2020-05' },
      },
    ],
    [
      'an extension whose value has only extensions',
      {
        ...patient,
        extension: [{ url: 'http://x', _valueString: { extension: [{ url: 'http://y', valueCode: 'z' }] } }],
      },
    ],
    [
      'contained resources that are referred to',
      { ...observation, contained: [{ resourceType: 'Patient', id: 'p' }], subject: { reference: '#p' } },
    ],
    [
      'a contained resource that refers to its container',
      {
        ...observation,
        contained: [
          {
            resourceType: 'Provenance',
            id: 'v',
            target: [{ reference: '#' }],
            recorded: '2020-01-01T00:00:00Z',
            agent: [{ who: { display: 'x' } }],
          },
        ],
      },
    ],
    [
      'a narrative',
      {
        ...patient,
        text: {
          status: 'generated',
          div: '<div xmlns="http://www.w3.org/1999/xhtml"><p class="a">x &lt; y</p><a href="https://x.example">z</a></div>',
        },
      },
    ],
    [
      'a range in one unit',
      { ...observation, valueRange: { low: { value: 1, unit: 'm' }, high: { value: 2, unit: 'm' } } },
    ],
  ])('accepts %s', (_what, resource) => {
    expect(faultsOf(resource).map((f) => f.message)).toEqual([]);
  });

  it.each([
    [
      'a code outside the required set',
      { ...observation, status: 'finalised' },
      'Observation.status',
      'code-invalid',
      'observation-status',
    ],
    [
      'a concept outside it',
      {
        resourceType: 'Condition',
        subject: { reference: 'Patient/p' },
        clinicalStatus: { coding: [{ system: 'http://x', code: 'active' }] },
      },
      'Condition.clinicalStatus',
      'code-invalid',
      'condition-clinical',
    ],
    [
      'a wrong code deep inside',
      { ...patient, contact: [{ name: { use: 'secret', text: 'x' } }] },
      'Patient.contact[0].name.use',
      'code-invalid',
      'name-use',
    ],
    [
      'a value and a reason for its absence',
      { ...observation, valueString: 'x', dataAbsentReason: { text: 'y' } },
      'Observation',
      'invariant',
      'obs-6',
    ],
    [
      'a component that repeats the value',
      {
        ...observation,
        code: { coding: [{ code: 'a' }] },
        valueString: 'x',
        component: [{ code: { coding: [{ code: 'a' }] }, valueString: 'x' }],
      },
      'Observation',
      'invariant',
      'obs-7',
    ],
    [
      'an end before the start',
      {
        resourceType: 'Encounter',
        status: 'planned',
        class: { code: 'AMB' },
        period: { start: '2020-05', end: '2020-04' },
      },
      'Encounter.period',
      'invariant',
      'per-1',
    ],
    [
      'a contact without anything',
      { ...patient, contact: [{ gender: 'male' }] },
      'Patient.contact[0]',
      'invariant',
      'pat-1',
    ],
    [
      'an extension with a value and extensions',
      {
        ...patient,
        extension: [{ url: 'http://x', valueCode: 'y', extension: [{ url: 'http://z', valueCode: 'w' }] }],
      },
      'Patient.extension[0]',
      'invariant',
      'ext-1',
    ],
    [
      'a quantity with a code and no system',
      { ...observation, valueQuantity: { value: 1, code: 'mg' } },
      'Observation.valueQuantity',
      'invariant',
      'qty-3',
    ],
    [
      'a low above the high',
      { ...observation, valueRange: { low: { value: 3, unit: 'm' }, high: { value: 2, unit: 'm' } } },
      'Observation.valueRange',
      'invariant',
      'rng-2',
    ],
    [
      'a telephone of no system',
      { ...patient, telecom: [{ value: '1' }] },
      'Patient.telecom[0]',
      'invariant',
      'cpt-2',
    ],
    [
      'an organization at home',
      { resourceType: 'Organization', name: 'x', address: [{ use: 'home', city: 'y' }] },
      'Organization.address[0]',
      'invariant',
      'org-2',
    ],
    [
      'a reference to nothing contained',
      { ...observation, subject: { reference: '#p' } },
      'Observation.subject.reference',
      'invariant',
      'ref-1',
    ],
    [
      'a contained resource nobody refers to',
      { ...observation, contained: [{ resourceType: 'Patient', id: 'p' }] },
      'Observation.contained[0]',
      'invariant',
      'dom-3',
    ],
    [
      'contained in contained',
      {
        ...observation,
        contained: [{ resourceType: 'Patient', id: 'p', contained: [{ resourceType: 'Patient', id: 'q' }] }],
        subject: { reference: '#p' },
      },
      'Observation',
      'invariant',
      'dom-2',
    ],
    [
      'a fault in a bundle',
      { resourceType: 'Bundle', type: 'collection', entry: [{ resource: { ...observation, status: 'x' } }] },
      'Bundle.entry[0].resource.status',
      'code-invalid',
      'observation-status',
    ],
    [
      'a script in the narrative',
      { ...patient, text: { status: 'generated', div: '<div><script>x</script></div>' } },
      'Patient.text.div',
      'invariant',
      'txt-1',
    ],
  ])('refuses %s', (_what, resource, at, issueCode, part) => {
    const [fault] = faultsOf(resource);
    expect([fault?.at, fault?.issueCode]).toEqual([at, issueCode]);
    expect(fault?.message).toContain(part);
    expect(faultsOf(resource, 'structure')).toEqual([]);
  });

  it('can be turned down to the resource type and id', () => {
    expect(faultsOf({ resourceType: 'Patient', nonsense: 1 }, 'minimal')).toEqual([]);
    expect(faultsOf({ resourceType: 'Patient', id: 'a b' }, 'minimal')[0]?.at).toBe('Patient.id');
    expect(faultsOf({ resourceType: 'Nobody' }, 'minimal')).toHaveLength(1);
  });

  it('never repeats values in its faults', () => {
    const faults = faultsOf({ ...patient, gender: 'Jane Roe', telecom: [{ value: 'Jane Roe' }] });
    expect(faults.length).toBeGreaterThan(1);
    expect(faults.map((f) => `${f.message}${f.remedy}${f.at}`).join()).not.toContain('Jane');
  });

  it("has every invariant of R4's table compiled, for the type it is written for", () => {
    const table = readTable<Record<string, [string, string, string][]>>('invariants.json');
    let count = 0;
    for (const [path, rules] of Object.entries(table)) {
      const parent = typeDefinition(path) ? path : path.slice(0, path.lastIndexOf('.'));
      expect(typeDefinition(parent), path).toBeDefined();
      for (const [key, expression] of rules) {
        expect(() => compileExpression(expression, parent), key).not.toThrow();
        count++;
      }
    }
    expect(count).toBeGreaterThan(190);
  });

  it('knows the codes of the sets that elements are bound to', () => {
    expect([...requiredCodes('administrative-gender')!.values()].flatMap((s) => [...s!])).toEqual([
      'male',
      'female',
      'other',
      'unknown',
    ]);
    expect(requiredCodes('http-verb')!.get('http://hl7.org/fhir/http-verb')!.has('PATCH')).toBe(true);
    expect(requiredCodes('toString')).toBeUndefined();
  });
});

describe('narratives', () => {
  it.each([
    '<div><script>alert(1)</script></div>',
    '<div><p onclick="x()">a</p></div>',
    '<div><a href="javascript:x()">a</a></div>',
    '<div><a href=" java\nscript:x()">a</a></div>',
    '<div><a href="jav&#x61;script:x()">a</a></div>',
    '<div><a href="data:text/html,x">a</a></div>',
    '<div><iframe src="https://x"></iframe>a</div>',
    '<div><img src="x" onerror="y"/>a</div>',
    '<div><p style=x>a</p></div>',
    '<div>a<p',
    '<div>a<!-- ',
    '<div><object data="x">a</object></div>',
    '<div><form action="x">a</form></div>',
    '<div>   </div>',
    '<div><p/></div>',
  ])('%s is refused', (div) => {
    expect(narrativeFault(div)).toMatch(/^txt-[12]: /);
  });

  it.each([
    '<div>a</div>',
    '<div xmlns="http://www.w3.org/1999/xhtml" xml:lang=\'en\'><table border="1"><tr><td colspan="2">a &gt; b</td></tr></table></div>',
    '<div><img src="data: image/png;base64,AAAA" alt="a > b"/></div>',
    '<div><!-- a comment with <script> in it -->a</div>',
    '<div><a href="#x">a</a><a href="Patient/1?x=javascript:y">b</a><br/><hr /></div>',
  ])('%s is accepted', (div) => {
    expect(narrativeFault(div)).toBeUndefined();
  });

  it('of a megabyte are read in a moment', () => {
    const start = process.cpuUsage();
    for (const pump of ['<', '<p ', '<p a="', '&', '<!--', "<p a='x' "]) {
      narrativeFault(`<div>${pump.repeat(1_000_000 / pump.length)}`);
    }
    const used = process.cpuUsage(start);
    expect(used.user + used.system).toBeLessThan(3_000_000);
  });
});
