import type { Resource } from '../../src/core/resource.js';

export const LOINC = 'http://loinc.org';
export const UCUM = 'http://unitsofmeasure.org';

export const observation = (
  id: string,
  patient: string,
  code: string,
  date: string | undefined,
  value: number | undefined,
  more: object = {},
): Resource => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: { coding: [{ system: LOINC, code, display: `Test ${code}` }] },
  subject: { reference: `Patient/${patient}` },
  ...(date === undefined ? {} : { effectiveDateTime: date }),
  ...(value === undefined ? {} : { valueQuantity: { value, unit: 'mg/dL', system: UCUM, code: 'mg/dL' } }),
  ...more,
});

/** Resources with a value for each kind of search, few enough to be looked through by eye. */
export const RESOURCES: Resource[] = [
  {
    resourceType: 'Procedure',
    id: 'pr1',
    status: 'completed',
    meta: { tag: [{ system: 'urn:tags', code: 'urgent' }], profile: ['http://example.org/p/one'] },
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Left <b>knee</b></div>' },
    identifier: [
      {
        type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'ACSN' }] },
        system: 'urn:acc',
        value: '77',
      },
    ],
    subject: { reference: 'Group/g' },
  },
  {
    resourceType: 'Procedure',
    id: 'pr2',
    status: 'completed',
    meta: { security: [{ code: 'R' }], source: 'http://source.example.org' },
    note: [{ text: 'Diclofenac given' }],
    subject: { identifier: { system: 'urn:mrn', value: 'Z9' } },
  },
  { resourceType: 'Location', id: 'near', position: { latitude: 42.35, longitude: -71.05 } },
  { resourceType: 'Location', id: 'far', position: { latitude: 52.52, longitude: 13.4 } },
  {
    resourceType: 'Observation',
    id: 'bp',
    status: 'preliminary',
    effectiveDateTime: '2018-06-01',
    code: { coding: [{ system: LOINC, code: '85354-9' }] },
    subject: { reference: 'Group/g' },
    component: [
      ['8480-6', 140],
      ['8462-4', 80],
    ].map(([code, value]) => ({
      code: { coding: [{ system: LOINC, code }] },
      valueQuantity: { value, system: UCUM, code: 'mm[Hg]' },
    })),
  },
  {
    resourceType: 'CodeSystem',
    id: 'cs1',
    url: 'http://snomed.info/sct',
    status: 'active',
    content: 'fragment',
    concept: [{ code: '73211009', concept: [{ code: '44054006' }, { code: '46635009' }] }],
  },
  {
    resourceType: 'ValueSet',
    id: 'vs1',
    url: 'http://example.org/vs/blood',
    status: 'active',
    compose: { include: [{ system: LOINC, concept: [{ code: '718-7' }, { code: '2951-2' }] }] },
  },
  {
    resourceType: 'ValueSet',
    id: 'vs2',
    url: 'http://example.org/vs/sugar',
    status: 'active',
    compose: {
      include: [
        {
          system: 'http://snomed.info/sct',
          filter: [{ property: 'concept', op: 'is-a', value: '73211009' }],
        },
        { valueSet: ['http://example.org/vs/blood'] },
      ],
      exclude: [{ system: 'http://snomed.info/sct', concept: [{ code: '46635009' }] }],
    },
  },
  {
    resourceType: 'List',
    id: 'l1',
    status: 'current',
    mode: 'working',
    entry: ['Patient/p1', 'Patient/p3', 'Observation/o4'].map((reference) => ({ item: { reference } })),
  },
  { resourceType: 'Organization', id: 'org1', name: 'St Mary Hospital' },
  {
    resourceType: 'Organization',
    id: 'org2',
    name: 'Lakeside Clinic',
    partOf: { reference: 'Organization/org1' },
  },
  { resourceType: 'Practitioner', id: 'dr1', name: [{ family: 'Grey', given: ['Ada'] }] },
  {
    resourceType: 'Patient',
    id: 'p1',
    identifier: [{ system: 'urn:mrn', value: 'A|1' }],
    name: [{ family: 'Müller', given: ['Jörg', 'Max'] }],
    gender: 'male',
    birthDate: '1960-05-04',
    generalPractitioner: [{ reference: 'Practitioner/dr1' }],
    managingOrganization: { reference: 'Organization/org2' },
  },
  {
    resourceType: 'Patient',
    id: 'p2',
    identifier: [{ system: 'urn:mrn', value: 'B2' }],
    name: [{ family: 'Smith, Jr', given: ['Ann'] }],
    gender: 'female',
    birthDate: '1980',
    managingOrganization: { reference: 'Organization/org1' },
  },
  { resourceType: 'Patient', id: 'p3', name: [{ family: 'Smithers' }], active: true },
  observation('o1', 'p1', '2339-0', '2020-01-10', 95),
  observation('o2', 'p1', '2339-0', '2021-06-01T10:00:00Z', 180),
  observation('o3', 'p2', '2339-0', '2021-07-01', 200),
  observation('o4', 'p2', '718-7', '2019-02-01', 200),
  observation('o5', 'p2', '718-7', undefined, undefined, { performer: [{ reference: 'Practitioner/dr1' }] }),
  observation('o6', 'p1', '718-7', '2022-01-01', 12, { performer: [{ reference: 'Patient/p2' }] }),
  {
    resourceType: 'Condition',
    id: 'c1',
    code: {
      coding: [{ system: 'http://snomed.info/sct', code: '44054006', display: 'Diabetes' }],
      text: 'Type 2 diabetes',
    },
    subject: { reference: 'Patient/p1' },
    onsetDateTime: '2018',
  },
  {
    resourceType: 'DiagnosticReport',
    id: 'r1',
    status: 'final',
    code: { text: 'panel' },
    subject: { reference: 'Patient/p1' },
    result: [{ reference: 'Observation/o2' }],
  },
  {
    resourceType: 'Questionnaire',
    id: 'q1',
    url: 'http://example.org/q/phq9',
    version: '2',
    status: 'active',
  },
  {
    resourceType: 'QuestionnaireResponse',
    id: 'qr1',
    questionnaire: 'http://example.org/q/phq9|2',
    status: 'completed',
    subject: { reference: 'Patient/p1' },
    authored: '2020-02-02',
  },
];
