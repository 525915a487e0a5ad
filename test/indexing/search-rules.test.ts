import { describe, expect, it } from 'vitest';
import { isFault } from '../../src/core/fault.js';
import type { Resource } from '../../src/core/resource.js';
import { code, found, LOINC, person, quantity } from './rules-support.js';
import { resource } from './support.js';

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
