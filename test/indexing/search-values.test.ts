import { describe, expect, it } from 'vitest';
import { code, found, LOINC, person, quantity, UCUM } from './rules-support.js';
import { resource } from './support.js';

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
