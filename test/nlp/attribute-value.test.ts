import { describe, expect, it } from 'vitest';
import type { PlausibleRow, ValueRules } from '../../nlp/4-attribute/values.js';
import { createClinicalPipeline } from '../../nlp/index.js';
import { readRules } from '../../nlp/rules/load.js';

const pipeline = createClinicalPipeline();
const { plausible } = readRules<ValueRules>('attributes-value.json');

/** Accepted values of a text, as `words=value unit`. */
function valuesIn(text: string): string[] {
  return pipeline
    .annotate(text, { id: 'v' })
    .mentions.filter(({ accepted }) => accepted)
    .flatMap((mention) =>
      mention.attributes
        .filter(({ type }) => type === 'value')
        .map((value) => {
          const unit = mention.attributes.find(({ type }) => type === 'unit')?.normalized;
          return `${mention.text.toLowerCase()}=${value.normalized}${unit ? ` ${unit}` : ''}`;
        }),
    );
}

describe('values that a living person can have', () => {
  it.each(plausible)('$example, never $implausible', ({ example, implausible }: PlausibleRow) => {
    expect(valuesIn(`Vital signs: ${example}.`)).toHaveLength(1);
    expect(valuesIn(`Vital signs: ${implausible}.`)).toEqual([]);
  });

  it.each<[text: string, values: string[]]>([
    ['Feet: pulses 2+ bilaterally.', []],
    ['Ext: pedal pulses 2+, no edema.', []],
    ['Radial pulse 2/4.', []],
    ['Hold metoprolol for SBP < 100 or HR < 55.', []],
    ['Goal BP < 130/80, target A1c < 7, keep SpO2 > 92%.', []],
    ['Call if T > 38.5.', []],
    ['O/E: BP 98/60, RR 24', ['bp=98/60 mm[Hg]', 'rr=24 /min']],
    ['Labs: K 4.1, Cl 102, Plt 245.', ['k=4.1', 'cl=102', 'plt=245']],
    ['Labs: troponin <0.01, INR 2.3', ['troponin=<0.01', 'inr=2.3']],
    ['SH: smokes 1 ppd x 20 yrs. ETOH: 2 beers/day.', ['smokes=1 {pack}/d', 'etoh=2 {drink}/d']],
    ['SH: former smoker (40 pack-years), quit 2010.', ['former smoker=40 {PackYears}']],
    ['dorsalis pedis pulse 2', []],
    ['DP pulses 1 + on the left.', []],
    ['Pulse 1+/4 in both feet.', []],
    ['Pulse 80, regular.', ['pulse=80 /min']],
    ['Resting heart rate 12 bpm, BP 110/70', ['bp=110/70 mm[Hg]']],
    ['T 37.2, HR 500, RR 16', ['t=37.2 Cel', 'rr=16 /min']],
    ['Vitals: HR 72, BP 120/800', ['hr=72 /min']],
    ['Blood pressure 132/84 mmHg', ['blood pressure=132/84 mm[Hg]']],
    [
      'Vitals: HR 72, respiratory rate 14-16, SpO2 97% RA',
      ['hr=72 /min', 'respiratory rate=14-16 /min', 'spo2=97 %'],
    ],
    ['Vitals: HR 72, respiratory rate 14-160', ['hr=72 /min']],
    ['Weight 82 kg, height 5\'10".', ['weight=82 kg', 'height=70 [in_i]']],
    ['Ht: 6 ft', ['ht=72 [in_i]']],
    ['Labs: Sodium                  139      135-145 mmol/L', ['sodium=139 mmol/L']],
    ['Labs: Potassium        5.1 (H)  3.5-5.0 mmol/L', ['potassium=5.1 mmol/L']],
    ['Labs: PTH, intact     288 (H)    15-65 pg/mL', ['pth=288 pg/mL']],
  ])('%s', (text, values) => expect(valuesIn(text)).toEqual(values));

  it('reads room air beside a saturation as no disease', () => {
    const { mentions } = pipeline.annotate('VITALS: HR 72, SpO2 97% RA', { id: 'v' });
    expect(mentions.filter(({ accepted, text }) => accepted && text === 'RA')).toEqual([]);
  });
});

describe('social facts', () => {
  const social = (text: string) =>
    pipeline
      .annotate(text, { id: 's' })
      .mentions.filter(({ accepted, type }) => accepted && type === 'social')
      .map(({ text: words }) => words.toLowerCase());

  it.each([
    'Lives with husband.',
    'Social History: Lives alone. Married, two children. Retired teacher.',
    'Blood type O positive.',
    'SH: employed full time, high school graduate.',
    'SOCIAL HISTORY: Denies homelessness.',
    'SH: husband smokes.',
    'SH: lives with wife who smokes.',
    'SH: no longer smokes.',
    'Alcohol: none. Tobacco: denies.',
    'Counseled on smoking cessation and alcohol.',
    'Assessment using alcohol use disorders identification test (procedure)',
    'SH: works as a farmer, lives in a house with stairs.',
  ])('none in: %s', (text) => expect(social(text)).toEqual([]));

  it.each([
    ['SOCIAL HISTORY: Former smoker.', 'former smoker'],
    ['Current smoker, lives with wife.', 'current smoker'],
    ['Never smoker.', 'never smoker'],
    ['SOCIAL HISTORY: Homeless, on a waiting list.', 'homeless'],
    ['Assessment: social isolation', 'social isolation'],
    ['Presenting with full-time employment (finding).', 'full-time employment'],
    ['SH: social drinker.', 'social drinker'],
  ])('one in: %s', (text, words) => expect(social(text)).toEqual([words]));
});
