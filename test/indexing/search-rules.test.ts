import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import type { Resource } from '../../src/core/resource.js';
import { parseDecimal } from '../../src/indexing/decimals.js';
import { compileParameter, indexResource, matchesParameter } from '../../src/indexing/index.js';
import { canonicalUnit, toCanonical, UNIT_KINDS } from '../../src/indexing/units.js';
import { context, holds, query, resource } from './support.js';

/** Both ways to answer must give the same: the rows through the clause, and the resource itself. */
function found(of: Resource, text: string): boolean {
  const q = query(of.resourceType, text);
  const { clause, exact } = compileParameter(q, context);
  const byRows = holds(clause, indexResource(of, context));
  const byBody = matchesParameter(q, of, context);
  if (byBody && !byRows) throw new Error(`${text}: the rows miss what the resource satisfies`);
  if (exact && byRows !== byBody)
    throw new Error(`${text}: said to be exact, but rows ${byRows}, resource ${byBody}`);
  return byBody;
}

const LOINC = 'http://loinc.org';
const UCUM = 'http://unitsofmeasure.org';
const code = (c: string, display?: string) => ({
  coding: [{ system: LOINC, code: c, ...(display ? { display } : {}) }],
});
const quantity = (value: number, unit: string, c = unit) => ({ value, unit, system: UCUM, code: c });

const person = resource('Patient', {
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

describe('strings (R4 search.html#string)', () => {
  it.each([
    ['family=muller', true],
    ['family=MÜLLER-LUKASIEWICZ', true],
    ['family=Müller-Łukasiewicza', false],
    ['family=lukasiewicz', false],
    ['name=ann', true],
    ['name=marie', false],
    ['name=zoe', true],
    ['name=dr', true],
    ['name=x,zoe', true],
    ['family:exact=Müller-Łukasiewicz', true],
    ['family:exact=müller-łukasiewicz', false],
    ['family:exact=Müller', false],
    ['family:contains=LUKA', true],
    ['family:contains=er', true],
    ['family:contains=xyz', false],
    ['given:contains=n m', true],
    ['address=saint-et', true],
    ['address=12 high', true],
    ['address-city=saint', true],
    ['address-postalcode=42', true],
    ['address-state:missing=true', true],
    ['phonetic=Mueller', true],
    ['phonetic=Lucasiewics', true],
    ['phonetic=ann maree', true],
    ['phonetic=ann robert', false],
    ['phonetic:missing=false', true],
    ['family:missing=false', true],
    ['family:missing=true', false],
  ])('%s: %s', (text, answer) => {
    expect(found(person, text)).toBe(answer);
  });

  it('are found beyond the part that has trigrams', () => {
    const long = resource('Location', {
      description: `${'lorem ipsum '.repeat(30)}needle`,
      name: `${'x'.repeat(40)}y`,
    });
    expect(found(long, 'name=xxxxxxxxxxxxxxxxxxxxx')).toBe(true);
    expect(found(long, 'name=xxxxxxxxxxxxxxxxxxxxxy')).toBe(false);
    expect(found(long, 'name:contains=xy')).toBe(true);
    expect(
      found(resource('Organization', { name: `${'lorem ipsum '.repeat(30)}needle` }), 'name:contains=needle'),
    ).toBe(true);
  });
});

describe('tokens (R4 search.html#token)', () => {
  it.each([
    ['gender=female', true],
    ['gender=male', false],
    ['gender=male,female', true],
    ['gender:not=male', true],
    ['gender:not=male,female', false],
    ['gender=|female', true],
    ['gender=http://hl7.org/fhir/administrative-gender|female', true],
    ['gender=http://hl7.org/fhir/administrative-gender|male', false],
    ['gender=http://hl7.org/fhir/administrative-gender|', true],
    ['gender:not=http://hl7.org/fhir/administrative-gender|', false],
    ['gender=http://other.example|female', false],
    ['active=true', true],
    ['active=false', false],
    ['deceased=false', true],
    ['deceased=true', false],
    ['identifier=http://hospital.example/mrn|A\\|7', true],
    ['identifier=A\\|7', true],
    ['identifier=http://hospital.example/mrn|', true],
    ['identifier=http://hospital.example/other|', false],
    ['identifier=|bare', true],
    ['identifier=|A\\|7', false],
    ['identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|A\\|7', true],
    ['identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|bare', false],
    ['identifier:text=record', true],
    ['identifier:text=number', false],
    ['phone=15550109999', false],
    ['phone=+15550109999', true],
    ['email=ann@example.org', true],
    ['telecom=Ann@Example.org', true],
    ['email=+15550109999', false],
    ['_tag=http://t|x', true],
    ['_tag:not=http://t|x', false],
    ['_security:missing=true', true],
    ['language:missing=true', true],
    ['language:not=en', true],
  ])('%s: %s', (text, answer) => {
    expect(found(person, text)).toBe(answer);
  });

  it.each([
    ['code=8867-4', true],
    [`code=${LOINC}|8867-4`, true],
    ['code=http://snomed.info/sct|8867-4', false],
    [`code=${LOINC}|`, true],
    ['code=|8867-4', false],
    ['code:text=heart r', true],
    ['code:text=he', true],
    ['code:text=pul', true],
    ['code:text=rate', false],
    ['code:code-text=PULSE', true],
    ['combo-code=8480-6', true],
    ['combo-code=8867-4', true],
    ['combo-code:not=8480-6', false],
    ['combo-code:not=1-1', true],
    ['combo-code:missing=false', true],
    ['combo-value-quantity:missing=false', true],
    ['combo-value-concept:missing=true', true],
    ['component-code=8867-4', false],
  ])('of codes with display: %s: %s', (text, answer) => {
    const panel = resource('Observation', {
      code: { ...code('8867-4', 'Heart rate'), text: 'Pulse' },
      component: [{ code: code('8480-6'), valueQuantity: quantity(120, 'mm[Hg]') }],
    });
    expect(found(panel, text)).toBe(answer);
  });

  it.each([
    ['gender:in=http://vs'],
    ['gender:above=x'],
    ['gender:contains=x'],
    ['family:not=x'],
    ['birthdate:exact=1970'],
  ])('%s is refused as unsupported', (text) => {
    try {
      found(person, text);
    } catch (error) {
      expect(isFault(error) && error.category).toBe('unsupported');
      return;
    }
    throw new Error('was accepted');
  });

  it.each([
    ['identifier=a|b|c'],
    ['identifier=|'],
    ['birthdate=soon'],
    ['active:missing=maybe'],
    ['name=   '],
  ])('%s is refused as invalid, without repeating it', (text) => {
    try {
      found(person, text);
    } catch (error) {
      expect(isFault(error) && error.category).toBe('invalid');
      return;
    }
    throw new Error('was accepted');
  });
});

describe('dates (R4 search.html#date)', () => {
  it.each([
    // The birth date is June 1970.
    ['birthdate=1970', true],
    ['birthdate=1970-06', true],
    ['birthdate=1970-06-15', false],
    ['birthdate=ap1970-06-15', true],
    ['birthdate=ne1970-06-15', true],
    ['birthdate=ne1970', false],
    ['birthdate=gt1970-06-15', true],
    ['birthdate=gt1970-06', false],
    ['birthdate=lt1970-06-15', true],
    ['birthdate=lt1970-06', false],
    ['birthdate=ge1970-06', true],
    ['birthdate=ge1970-07', false],
    ['birthdate=le1970-06', true],
    ['birthdate=le1970-05', false],
    ['birthdate=sa1970-05', true],
    ['birthdate=sa1970-06-15', false],
    ['birthdate=eb1970-07', true],
    ['birthdate=eb1970-06-15', false],
    // 10 % of the 54 years to June 2024 is five years and some months.
    ['birthdate=ap1975', true],
    ['birthdate=ap1977', false],
    ['birthdate:missing=false', true],
    ['death-date:missing=true', true],
  ])('%s: %s', (text, answer) => {
    expect(found(person, text)).toBe(answer);
  });

  it.each([
    // An encounter from May 2020, still going on.
    ['date=2020', false],
    ['date=ge2020', true],
    ['date=gt2999', true],
    ['date=le2020', false],
    ['date=le2021', true],
    ['date=lt2020-05-01', false],
    ['date=sa2020-04', true],
    ['date=eb2999', false],
    ['date=ap2020-04', true],
  ])('open periods: %s: %s', (text, answer) => {
    expect(found(resource('Encounter', { period: { start: '2020-05-01' } }), text)).toBe(answer);
  });

  it.each([
    ['date=2020-02-29', true],
    ['date=2020-03-01', false],
    ['date=2020-03-01T00:30:00+02:00', false],
    ['date=2020-02-29T23:30:00Z', true],
    ['date=2020-03-01T01:30:00 02:00', true],
  ])('time zones: %s: %s', (text, answer) => {
    expect(found(resource('Observation', { effectiveDateTime: '2020-03-01T01:30:00+02:00' }), text)).toBe(
      answer,
    );
  });
});

describe('numbers and quantities (R4 search.html#number, #quantity)', () => {
  const risk = resource('RiskAssessment', {
    prediction: [
      { probabilityDecimal: 0.8 },
      { probabilityRange: { low: { value: 0.1 }, high: { value: 0.3 } } },
    ],
  });
  it.each([
    ['probability=0.8', true],
    ['probability=0.80', true],
    ['probability=0.79', false],
    ['probability=gt0.8', false],
    ['probability=ge0.8', true],
    ['probability=gt0.79', true],
    ['probability=lt0.2', true],
    ['probability=lt0.1', false],
    ['probability=eb0.8', true],
    ['probability=sa0.8', false],
    ['probability=ap0.75', true],
    ['probability=ne0.8', true],
    ['probability=8e-1', true],
  ])('%s: %s', (text, answer) => {
    expect(found(risk, text)).toBe(answer);
  });

  it.each([
    [99.5, '100', true],
    [100.49, '100', true],
    [100.5, '100', false],
    [99.49, '100', false],
    [100.004, '100.00', true],
    [100.005, '100.00', false],
    [95, '1e2', true],
    [104.9, '1e2', true],
    [105, '1e2', false],
    [66.899999999999991, '66.899999999999991', true],
    [1e18, '1000000000000000001', true],
    [-5.45, '-5.4', true],
    [-5.35, '-5.4', false],
    [5.35, '5.4', true],
    [5.45, '5.4', false],
  ])('%s is found by %s: %s', (value, text, answer) => {
    expect(found(resource('Observation', { valueQuantity: { value } }), `value-quantity=${text}`)).toBe(
      answer,
    );
  });

  const weight = resource('Observation', { code: code('29463-7'), valueQuantity: quantity(70.5, 'kg') });
  it.each([
    ['value-quantity=70.5', true],
    [`value-quantity=70.5|${UCUM}|kg`, true],
    [`value-quantity=70500|${UCUM}|g`, true],
    [`value-quantity=gt155|${UCUM}|[lb_av]`, true],
    [`value-quantity=gt156|${UCUM}|[lb_av]`, false],
    [`value-quantity=70.5|${UCUM}|cm`, false],
    ['value-quantity=70.5||kg', true],
    ['value-quantity=70.5||g', false],
    ['value-quantity=70.5|http://other|kg', false],
    [`code-value-quantity=${LOINC}|29463-7$gt70|${UCUM}|kg`.replaceAll('|', '|'), true],
    [`code-value-quantity=${LOINC}|29463-7$gt70`, true],
    [`code-value-quantity=${LOINC}|29463-7$70500|${UCUM}|g`, true],
    ['code-value-quantity=29463-7$70.5', true],
    ['code-value-quantity=29463-7$71.5', false],
    [`code-value-quantity=${LOINC}|1-1$gt70`, false],
    [`combo-code-value-quantity=${LOINC}|29463-7$gt70`, true],
    ['value-quantity:missing=false', true],
    ['value-quantity=lt70.5', false],
    ['value-quantity=le70.5', true],
  ])('%s: %s', (text, answer) => {
    expect(found(weight, text)).toBe(answer);
  });

  it.each([
    ['value-quantity=gt4', true],
    ['value-quantity=lt5', true],
    ['value-quantity=eb6', true],
    ['value-quantity=gt5', false],
    ['value-quantity=5', false],
  ])('"less than 5" in a resource, found by %s: %s', (text, answer) => {
    expect(found(resource('Observation', { valueQuantity: { value: 5, comparator: '<' } }), text)).toBe(
      answer,
    );
  });

  it('annotations of UCUM do not matter', () => {
    const rate = resource('Observation', { valueQuantity: quantity(60, 'beats/min', '{beats}/min') });
    expect(found(rate, `value-quantity=60|${UCUM}|/min`)).toBe(true);
    expect(found(rate, `value-quantity=1|${UCUM}|/s`)).toBe(true);
    expect(found(rate, `value-quantity=60|${UCUM}|{beats}/min`)).toBe(true);
  });

  it('temperatures are converted with their zero', () => {
    const fever = resource('Observation', { valueQuantity: quantity(101.3, '[degF]') });
    expect(found(fever, `value-quantity=ge38.5|${UCUM}|Cel`)).toBe(true);
    expect(found(fever, `value-quantity=gt38.6|${UCUM}|Cel`)).toBe(false);
  });
});

describe('composites (R4 search.html#composite)', () => {
  const panel = resource('Observation', {
    code: code('85354-9'),
    component: [
      { code: code('8480-6'), valueQuantity: quantity(120, 'mm[Hg]') },
      { code: code('8462-4'), valueQuantity: quantity(80, 'mm[Hg]') },
      { code: code('1-1'), valueCodeableConcept: code('LA1') },
    ],
  });
  it.each([
    [`component-code-value-quantity=${LOINC}|8480-6$gt100`, true],
    [`component-code-value-quantity=${LOINC}|8462-4$gt100`, false],
    ['component-code-value-quantity=8462-4$gt100', false],
    ['component-code-value-quantity=8462-4$lt100', true],
    [`combo-code-value-quantity=${LOINC}|8480-6$gt100,${LOINC}|8462-4$gt100`, true],
    ['component-code-value-concept=1-1$LA1', true],
    ['component-code-value-concept=8480-6$LA1', false],
    ['combo-code-value-concept=1-1$LA1', true],
    ['code-value-quantity:missing=true', true],
    ['component-code-value-quantity:missing=true', false],
  ])('%s: %s', (text, answer) => {
    expect(found(panel, text)).toBe(answer);
  });
});

describe('references (R4 search.html#reference)', () => {
  it.each([
    ['general-practitioner=dr', true],
    ['general-practitioner=Practitioner/dr', true],
    ['general-practitioner=https://lake.example/fhir/demo/Practitioner/dr', true],
    ['general-practitioner=Organization/dr', false],
    ['general-practitioner:Practitioner=dr', true],
    ['general-practitioner:Organization=dr', false],
    ['general-practitioner=http://other.example/fhir/Organization/o', true],
    ['general-practitioner:Organization=http://other.example/fhir/Organization/o', true],
    ['general-practitioner:Practitioner=http://other.example/fhir/Organization/o', false],
    ['general-practitioner=Organization/o', false],
    ['general-practitioner:identifier=http://npi|77', true],
    ['general-practitioner:identifier=77', true],
    ['general-practitioner:identifier=|77', false],
    ['general-practitioner:missing=false', true],
    ['organization:missing=true', true],
    ['link=nobody', false],
  ])('%s: %s', (text, answer) => {
    expect(found(person, text)).toBe(answer);
  });

  it.each([
    ['subject=p', true],
    ['subject=Patient/p', true],
    ['patient=p', true],
    ['patient=Patient/p', true],
    ['patient=Group/p', false],
    ['patient:missing=false', true],
    ['focus=p', false],
    ['focus=Condition/c', true],
    ['focus=c', true],
    ['focus:Condition=c', true],
    ['has-member=c', false],
  ])('through aliases and any types: %s: %s', (text, answer) => {
    const of = resource('Observation', {
      subject: { reference: 'Patient/p' },
      focus: [{ reference: 'Condition/c/_history/2' }],
    });
    expect(found(of, text)).toBe(answer);
  });

  it('of a group are none of a patient', () => {
    const of = resource('Observation', { subject: { reference: 'Group/g' } });
    expect(found(of, 'patient:missing=true')).toBe(true);
    expect(found(of, 'patient=g')).toBe(false);
    expect(found(of, 'subject=g')).toBe(true);
  });

  it('are canonical too', () => {
    const of = resource('PlanDefinition', {
      library: ['http://x.example/Library/a|1'],
      relatedArtifact: [{ type: 'depends-on', resource: 'http://x.example/Library/a|1' }],
    });
    expect(found(of, 'depends-on=http://x.example/Library/a|1')).toBe(true);
    expect(found(of, 'depends-on=http://x.example/Library/a')).toBe(true);
    expect(found(of, 'depends-on=http://x.example/Library/b')).toBe(false);
  });
});

describe('uris (R4 search.html#uri)', () => {
  it.each([
    ['_profile=http://p.example/a', true],
    ['_profile=http://p.example/a|2.0', true],
    ['_profile=http://p.example/a|3.0', false],
    ['_profile=http://P.example/a', false],
    ['_profile:below=http://p.example', true],
    ['_profile:below=http://p.example/', true],
    ['_profile:below=http://p.exam', false],
    ['_profile:above=http://p.example/a/b/c', true],
    ['_profile:above=http://p.example/b', false],
    ['_source=http://s.example/a/b#c', true],
    ['_source:below=http://s.example/a', true],
    ['_source:missing=false', true],
  ])('%s: %s', (text, answer) => {
    expect(found(person, text)).toBe(answer);
  });
});

describe('words (R4 search.html#content)', () => {
  const report = resource('DiagnosticReport', {
    text: { status: 'generated', div: '<div xmlns="x"><b>Chest</b> X-ray &amp; lung</div>' },
    conclusion: 'No pneumothorax. Être prudent.',
  });
  it.each([
    ['_text=chest lung', true],
    ['_text=pneumothorax', false],
    ['_text=div', false],
    ['_content=pneumothorax', true],
    ['_content=lung etre', true],
    ['_content=pneumo', false],
  ])('%s: %s', (text, answer) => {
    expect(found(report, text)).toBe(answer);
  });

  const note = (contentType: string, text: string) =>
    resource('DocumentReference', {
      content: [{ attachment: { contentType, data: Buffer.from(text, 'utf8').toString('base64') } }],
    });
  it.each([
    [note('text/plain', 'Pt denies chest pain.\nMétformin 500 mg BID'), '_content=denies metformin', true],
    [note('text/plain; charset=utf-8', 'Pt denies chest pain.'), '_content=smoker', false],
    [note('text/html', '<p class="smoker">denies</p>'), '_content=denies', true],
    [note('text/html', '<p class="smoker">denies</p>'), '_content=smoker', false],
    [note('application/pdf', 'denies'), '_content=denies', false],
    [
      note('text/plain', `${Array.from({ length: 6000 }, (_, i) => `w${i}`).join(' ')} needle`),
      '_content=needle',
      true,
    ],
    [
      resource('Binary', { contentType: 'text/plain', data: Buffer.from('a fall').toString('base64') }),
      '_content=fall',
      true,
    ],
  ])('of notes inside: %#', (of, text, answer) => {
    expect(found(of as Resource, text as string)).toBe(answer);
  });
});

describe('units', () => {
  // So many of the unit are so many of the kind's canonical one (UCUM).
  const EXAMPLES: Record<string, [number, number]> = {
    g: [1000, 1],
    mg: [1e6, 1],
    ug: [1e9, 1],
    ng: [1e12, 1],
    '[lb_av]': [100, 45.359237],
    '[oz_av]': [16, 0.45359237],
    m: [1.7, 170],
    mm: [10, 1],
    um: [10000, 1],
    km: [1, 100000],
    '[in_i]': [10, 25.4],
    '[ft_i]': [10, 304.8],
    L: [2, 2000],
    l: [2, 2000],
    dL: [1, 100],
    cL: [1, 10],
    ml: [5, 5],
    uL: [1000, 1],
    cm3: [5, 5],
    '[foz_us]': [1, 29.5735295625],
    mo: [6, 0.5],
    wk: [365.25, 7],
    d: [365.25, 1],
    h: [8766, 1],
    min: [525960, 1],
    s: [31557600, 1],
    ms: [31557600000, 1],
    kPa: [16, 120.010201],
    Pa: [16000, 120.010201],
    'cm[H2O]': [10, 7.355617],
    'g/dL': [1, 1000],
    'g/L': [1, 100],
    'mg/L': [10, 1],
    'ug/dL': [1000, 1],
    'ug/L': [10, 0.001],
    'ng/mL': [10, 0.001],
    'ng/dL': [1e6, 1],
    'ng/L': [1e7, 1],
    'pg/mL': [1e7, 1],
    'ug/mL': [10, 1],
    'mg/mL': [1, 100],
    'mol/L': [1, 1000],
    'umol/L': [1000, 1],
    'nmol/L': [1e6, 1],
    'pmol/L': [1e9, 1],
    'meq/L': [140, 140],
    'mmol/dL': [1, 10],
    '/uL': [1000, 1],
    '/mL': [1e6, 1],
    '/L': [1e9, 1],
    '10*6/uL': [1, 1000],
    '10*6/L': [1000, 1],
    '10*9/L': [5, 5],
    '10*12/L': [1, 1000],
    '10*3/mL': [1000, 1],
    '10*6/mL': [5, 5],
    '/s': [1, 60],
    Hz: [1, 60],
    '/h': [60, 1],
    'L/min': [1, 1000],
    'mL/s': [1, 60],
    'L/s': [1, 60000],
    'mL/h': [60, 1],
    '1': [0.5, 50],
    '10*-2': [5, 5],
    '[ppth]': [10, 1],
    '[ppm]': [10000, 1],
    'kU/L': [1, 1000],
    'mU/mL': [5, 5],
    'U/mL': [1, 1000],
    'mU/L': [1000, 1],
    'U/dL': [1, 10],
    '[IU]/L': [5, 5],
    '[iU]/mL': [1, 1000],
    '[IU]/mL': [1, 1000],
    'm[iU]/L': [1000, 1],
    'm[IU]/L': [1000, 1],
    'm[iU]/mL': [5, 5],
    'u[iU]/mL': [1000, 1],
    'k[iU]/L': [1, 1000],
    'g/m2': [1000, 1],
    'g/cm2': [1, 10],
    cal: [1000, 1],
    kJ: [4.184, 1],
    J: [4184, 1],
    '[Cal]': [5, 5],
    '[degF]': [212, 100],
    K: [273.15, 0],
  };
  it.each(UNIT_KINDS.flatMap((k) => k.rows.map((r) => [r.unit, k.canonical] as const)))(
    '%s in %s',
    (unit, canonical) => {
      const [from, to] = EXAMPLES[unit]!;
      expect(canonicalUnit(unit)).toBe(canonical);
      expect(toCanonical(parseDecimal(String(from))!, unit)).toBeCloseTo(to, 5);
    },
  );
});

describe('near (R4 location.html#positional)', () => {
  const place = resource('Location', { position: { latitude: 48.2082, longitude: 16.3738 } });
  const island = resource('Location', { position: { latitude: -16.8, longitude: 179.98 } });
  const pole = resource('Location', { position: { latitude: 89.9, longitude: -120 } });
  it.each([
    [place, 'near=48.1486|17.1077|60|km', true],
    [place, 'near=48.1486|17.1077|50|km', false],
    [place, 'near=48.1486|17.1077|40|[mi_i]', true],
    [place, 'near=48.1486|17.1077|60000|m', true],
    [place, 'near=48.1486|17.1077', false],
    [place, 'near=48.3|16.4', true],
    [place, 'near=0|0|1|km,48.2|16.4|5|km', true],
    [island, 'near=-16.8|-179.98|10|km', true],
    [island, 'near=-16.8|-179.98|1|km', false],
    [pole, 'near=89.9|60|30|km', true],
    [pole, 'near=89.9|60|20|km', false],
    [place, 'near:missing=false', true],
    [resource('Location', { name: 'x' }), 'near:missing=true', true],
  ])('%#: %s', (of, text, answer) => {
    expect(found(of as Resource, text as string)).toBe(answer);
  });

  it('refuses what is no place', () => {
    for (const text of ['near=91|0', 'near=48', 'near=48|16|5|parsec', 'near=48|16|-1|km', 'near=a|b']) {
      expect(() => found(place, text)).toThrow('not a place');
    }
  });
});
