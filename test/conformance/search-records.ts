/** What the searches of the conformance table are asked of: few records, each there for a difference between searches. */
const UCUM = 'http://unitsofmeasure.org';
const HL7 = 'http://terminology.hl7.org/CodeSystem';
export const COLOURS = 'urn:colours';

const concept = (system: string, code: string, more: object = {}) => ({
  coding: [{ system, code, ...more }],
});
const ref = (reference: string) => ({ reference });
const observation = (id: string, more: object) => ({
  resourceType: 'Observation',
  id,
  status: 'final',
  code: concept('urn:c', id),
  ...more,
});
const dated = (id: string, more: object) =>
  observation(id, { category: [concept('urn:k', 'dated')], ...more });
const measured = (id: string, value: object) =>
  observation(id, { category: [concept('urn:k', 'measured')], ...value });
const mg = (value: number) => ({ valueQuantity: { value, unit: 'mg', system: UCUM, code: 'mg' } });
const risk = (id: string, probabilityDecimal?: number) => ({
  resourceType: 'RiskAssessment',
  id,
  status: 'final',
  subject: ref('Patient/ann'),
  prediction: [probabilityDecimal === undefined ? { outcome: { text: 'Fall' } } : { probabilityDecimal }],
});

/** Each written by one transaction; Observations `d…` are found by their dates, `q…` by their quantities. */
export const RECORDS: readonly { resourceType: string; id: string; [element: string]: unknown }[] = [
  { resourceType: 'Organization', id: 'top', name: 'Top' },
  { resourceType: 'Organization', id: 'mid', name: 'Mid', partOf: ref('Organization/top') },
  { resourceType: 'Organization', id: 'sub', name: 'Sub', partOf: ref('Organization/mid') },
  {
    resourceType: 'Practitioner',
    id: 'doc',
    name: [{ family: 'Holm' }],
    identifier: [{ system: 'urn:npi', value: '7' }],
  },
  {
    resourceType: 'Patient',
    id: 'ann',
    meta: {
      profile: ['http://example.org/fhir/StructureDefinition/own|1.2'],
      tag: [{ system: 'urn:tag', code: 'study' }],
      security: [{ system: `${HL7}/v3-Confidentiality`, code: 'R' }],
      source: 'urn:source:a',
    },
    active: true,
    name: [{ family: 'Núñez', given: ['Ann', 'Mary'] }],
    gender: 'female',
    birthDate: '1980-05-06',
    address: [{ line: ['1 Sea Road'], city: 'Bodø', postalCode: '8001', country: 'NO' }],
    telecom: [
      { system: 'email', value: 'ann@example.org' },
      { system: 'phone', value: '555-0101' },
    ],
    identifier: [{ type: concept('urn:t', 'MR'), system: 'urn:mrn', value: 'a,b|c$1' }],
    managingOrganization: ref('Organization/sub'),
    generalPractitioner: [ref('Practitioner/doc')],
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">Likes tramways</div>' },
  },
  {
    resourceType: 'Patient',
    id: 'bob',
    active: false,
    name: [{ family: 'Nunn', given: ['Bob'] }],
    gender: 'male',
    birthDate: '1980',
    identifier: [{ type: concept('urn:t', 'SS'), system: 'urn:ssn', value: '22' }],
    managingOrganization: ref('Organization/top'),
    generalPractitioner: [{ identifier: { system: 'urn:npi', value: '7' } }],
  },
  {
    resourceType: 'Patient',
    id: 'cho',
    name: [{ family: 'O,Brien', given: ['Ann'] }],
    birthDate: '1975-12-31',
    deceasedDateTime: '2020-01-15',
    identifier: [{ value: 'loose' }],
  },
  dated('d-day', { effectiveDateTime: '2020-02-03', subject: ref('Patient/ann') }),
  dated('d-year', { effectiveDateTime: '2020', subject: ref('Patient/bob') }),
  dated('d-instant', { effectiveInstant: '2020-02-03T10:00:00Z' }),
  dated('d-zone', { effectiveDateTime: '2020-02-04T01:00:00+02:00' }),
  dated('d-period', { effectivePeriod: { start: '2020-02-01', end: '2020-02-10' } }),
  dated('d-open', { effectivePeriod: { start: '2019-06-01' } }),
  dated('d-before', { effectiveDateTime: '2010-01-01' }),
  dated('d-after', { effectiveDateTime: '2020-07-01' }),
  dated('d-none', {}),
  measured('q535', mg(5.35)),
  measured('q540', mg(5.4)),
  measured('q544', mg(5.44)),
  measured('q545', mg(5.45)),
  measured('q600', mg(6)),
  measured('q900', mg(900)),
  measured('q-gram', { valueQuantity: { value: 0.9, unit: 'g', system: UCUM, code: 'g' } }),
  measured('q-words', { valueQuantity: { value: 5.4, unit: 'puffs' } }),
  measured('q-none', {}),
  observation('bp', {
    code: concept('urn:c', 'bp', { display: 'Blood pressure panel' }),
    component: [
      { code: concept('urn:c', 'sys'), valueQuantity: { value: 140, system: UCUM, code: 'mm[Hg]' } },
      { code: concept('urn:c', 'dia'), valueQuantity: { value: 80, system: UCUM, code: 'mm[Hg]' } },
    ],
    subject: ref('Patient/ann'),
    derivedFrom: [ref('Observation/bp-raw')],
  }),
  observation('bp-raw', { subject: ref('Patient/ann'), derivedFrom: [ref('Observation/bp-rawer')] }),
  observation('bp-rawer', { subject: ref('Patient/ann') }),
  observation('coded', {
    code: { ...concept(COLOURS, 'navy', { display: 'Navy blue' }), text: 'Shade of skin' },
    valueCodeableConcept: concept(COLOURS, 'sky'),
  }),
  observation('plain', { code: concept(COLOURS, 'red', { display: 'Red' }) }),
  {
    resourceType: 'CodeSystem',
    id: 'colours',
    url: COLOURS,
    status: 'active',
    content: 'complete',
    hierarchyMeaning: 'is-a',
    concept: [{ code: 'blue', concept: [{ code: 'navy' }, { code: 'sky' }] }, { code: 'red' }],
  },
  {
    resourceType: 'ValueSet',
    id: 'blues',
    url: 'http://example.org/fhir/ValueSet/blues',
    status: 'active',
    compose: { include: [{ system: COLOURS, filter: [{ property: 'concept', op: 'is-a', value: 'blue' }] }] },
  },
  {
    resourceType: 'ValueSet',
    id: 'deep',
    url: 'http://example.org/fhir/ValueSet/blues/deep',
    status: 'draft',
    compose: { include: [{ system: COLOURS, concept: [{ code: 'navy' }] }] },
  },
  risk('r50', 0.5),
  risk('r52', 0.52),
  risk('r55', 0.55),
  risk('r90', 0.9),
  risk('r-none'),
  {
    resourceType: 'Location',
    id: 'here',
    name: 'Here',
    position: { latitude: 69.65, longitude: 18.95 },
    managingOrganization: ref('Organization/sub'),
  },
  { resourceType: 'Location', id: 'far', name: 'Far', position: { latitude: 59.91, longitude: 10.75 } },
  {
    resourceType: 'List',
    id: 'list',
    status: 'current',
    mode: 'working',
    entry: [{ item: ref('Patient/bob') }, { item: ref('Patient/cho') }],
  },
  {
    resourceType: 'Encounter',
    id: 'visit',
    status: 'finished',
    class: { system: `${HL7}/v3-ActCode`, code: 'AMB' },
    subject: ref('Patient/ann'),
    participant: [{ individual: ref('Practitioner/doc') }],
    serviceProvider: ref('Organization/sub'),
    period: { start: '2020-02-03T09:00:00Z', end: '2020-02-03T11:00:00Z' },
  },
  {
    resourceType: 'Condition',
    id: 'gout',
    subject: ref('Patient/ann'),
    encounter: ref('Encounter/visit'),
    code: { ...concept('urn:c', 'gout'), text: 'Gout of the great toe' },
    recordedDate: '2020-02-03',
  },
  {
    resourceType: 'Provenance',
    id: 'prov',
    target: [ref('Condition/gout'), ref('Observation/bp')],
    recorded: '2020-02-03T12:00:00Z',
    agent: [{ who: ref('Practitioner/doc') }],
  },
];
