import { describe, expect, test } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { withAttributes } from '../../nlp/4-attribute/index.js';
import { medicationRules } from '../../nlp/4-attribute/quantity.js';
import { timingOf } from '../../nlp/4-attribute/timing.js';
import type { Mention, MentionType } from '../../nlp/model.js';
import { readRules } from '../../nlp/rules/load.js';

/** Attributes of each `[drug]` in the text, as `type:text=normalized`. */
function signatures(
  marked: string,
  type: MentionType = 'medication',
  date?: string,
): Record<string, string[]> {
  const mentions: Mention[] = [];
  let text = '';
  for (const part of marked.split(/(\[[^\]]*\])/)) {
    if (part.startsWith('[')) {
      const words = part.slice(1, -1);
      mentions.push({
        start: text.length,
        end: text.length + words.length,
        text: words,
        type,
        assertion: { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' },
        attributes: [],
        concepts: [],
        score: 1,
        accepted: true,
      });
      text += words;
    } else text += part;
  }
  const done = withAttributes({
    context: { id: 'x', ...(date ? { date } : {}) },
    text,
    ...segmentText(text),
    mentions,
  });
  const result: Record<string, string[]> = {};
  for (const mention of done) {
    result[mention.text] = mention.attributes.map(
      (each) => `${each.type}:${each.text}${each.normalized === undefined ? '' : `=${each.normalized}`}`,
    );
    for (const each of mention.attributes) expect(text.slice(each.start, each.end)).toBe(each.text);
  }
  return result;
}

const daily = '{"repeat":{"frequency":1,"period":1,"periodUnit":"d"}}';
const threeWeekly = '{"repeat":{"frequency":1,"period":3,"periodUnit":"wk"}}';
const twice = '{"repeat":{"frequency":2,"period":1,"periodUnit":"d"}}';

describe('a medication and its directions', () => {
  test.each<[string, Record<string, string[]>]>([
    [
      // The drugs of a regimen share its rhythm and number of cycles, and no dose.
      '[Carboplatin] AUC 5 and [paclitaxel] 175 mg/m2 every 3 weeks for 6 cycles.',
      {
        Carboplatin: ['dose:AUC 5', `frequency:every 3 weeks=${threeWeekly}`, 'duration:6 cycles'],
        paclitaxel: [
          'dose:175 mg/m2=175 mg/m2',
          `frequency:every 3 weeks=${threeWeekly}`,
          'duration:6 cycles',
        ],
      },
    ],
    [
      // Other drugs do not: which of them is taken twice is not said of both.
      '[Lisinopril] 10 mg and [metoprolol] 25 mg twice daily.',
      {
        Lisinopril: ['strength:10 mg=10 mg'],
        metoprolol: ['strength:25 mg=25 mg', `frequency:twice daily=${twice}`],
      },
    ],
    [
      '[vancomycin] 1 g in 250 mL [NS] IV every day',
      {
        vancomycin: ['strength:1 g in 250 mL=1 g', 'route:IV=47625008', `frequency:every day=${daily}`],
        NS: [],
      },
    ],
    [
      // A size between a name and its strength.
      '[EpiPen] Jr 150 mcg IM prn',
      { EpiPen: ['strength:150 mcg=150 ug', 'route:IM=78421000', 'prn:prn=true'] },
    ],
    [
      '[Levothyroxine] 75 mcg M-Sa and [prednisone] 100 mg days 1-5',
      {
        Levothyroxine: [
          'strength:75 mcg=75 ug',
          'frequency:M-Sa={"repeat":{"dayOfWeek":["mon","tue","wed","thu","fri","sat"],"frequency":1,"period":1,"periodUnit":"d"}}',
        ],
        prednisone: ['strength:100 mg=100 mg', 'frequency:days 1-5'],
      },
    ],
    [
      // A class and the drug in its bracket are one.
      'Treated for 6 months with [corticosteroid] therapy ([prednisolone] 25 mg daily).',
      {
        corticosteroid: ['duration:6 months=6 mo', 'dose:25 mg=25 mg', `frequency:daily=${daily}`],
        prednisolone: ['duration:6 months=6 mo', 'strength:25 mg=25 mg', `frequency:daily=${daily}`],
      },
    ],
    [
      '[Ticlopidine] is an oral [antiplatelet agent].',
      { Ticlopidine: ['route:oral=26643006'], 'antiplatelet agent': ['route:oral=26643006'] },
    ],
    [
      'Treated with intralesional injections of [5-FU]; the injection site was sore.',
      { '5-FU': ['route:intralesional injections'] },
    ],
    ['A single low dose of [methotrexate] was given.', { methotrexate: ['dose:single low dose'] }],
    ['LFTs monitored every 6 weeks on [methotrexate]; at the age of 5 years well.', { methotrexate: [] }],
    [
      // What how often was given goes on before the next name.
      '[rifampicin] 600 mg once daily for 7 days on [repaglinide] metabolism.',
      {
        rifampicin: ['strength:600 mg=600 mg', `frequency:once daily=${daily}`, 'duration:7 days=7 d'],
        repaglinide: [],
      },
    ],
    [
      // Two names of one drug have one signature.
      'He was given [5-fluorouracil] ([5-FU]) 600 mg/m2.',
      { '5-fluorouracil': ['dose:600 mg/m2=600 mg/m2'], '5-FU': ['dose:600 mg/m2=600 mg/m2'] },
    ],
    [
      // What stands behind the bracket is said of the drug before it, not of the next one.
      'He takes [methotrexate] ([MTX]) 15 mg weekly with [folic acid] 5 mg.',
      {
        methotrexate: [
          'dose:15 mg=15 mg',
          'frequency:weekly={"repeat":{"frequency":1,"period":1,"periodUnit":"wk"}}',
        ],
        MTX: ['dose:15 mg=15 mg', 'frequency:weekly={"repeat":{"frequency":1,"period":1,"periodUnit":"wk"}}'],
        'folic acid': ['strength:5 mg=5 mg'],
      },
    ],
    ['[Apixaban] was held for three days.', { Apixaban: ['status:held=hold'] }],
    ['A rash followed a single dose of [ivermectin].', { ivermectin: ['dose:single dose=1 {dose}'] }],
    [
      'He received [intravenous immunoglobulin].',
      { 'intravenous immunoglobulin': ['route:intravenous=47625008'] },
    ],
    [
      // A result is no dose.
      'MIC of [ceftaroline] was 32 mg/liter and the level of [digoxin] 1.2 ng/mL.',
      { ceftaroline: [], digoxin: [] },
    ],
    [
      // The "times" of a rhythm is none of a duration ("times 7 days").
      '[propylthiouracil] 100 mg, three times a day',
      {
        propylthiouracil: [
          'strength:100 mg=100 mg',
          'frequency:three times a day={"repeat":{"frequency":3,"period":1,"periodUnit":"d"}}',
        ],
      },
    ],
    [
      '[prednisolone] 30mg od 5/7',
      { prednisolone: ['strength:30mg=30 mg', `frequency:od=${daily}`, 'duration:5/7=5 d'] },
    ],
    ['[lactulose] 15 ml bd', { lactulose: ['dose:15 ml=15 mL', `frequency:bd=${twice}`] }],
    [
      '[amlodipine] 10 mg on.',
      {
        amlodipine: [
          'strength:10 mg=10 mg',
          'frequency:on={"repeat":{"frequency":1,"period":1,"periodUnit":"d","when":["NIGHT"]}}',
        ],
      },
    ],
    [
      '[methotrexate] 15 mg on Mondays',
      {
        methotrexate: [
          'strength:15 mg=15 mg',
          'frequency:on Mondays={"repeat":{"dayOfWeek":["mon"],"frequency":1,"period":1,"periodUnit":"d"}}',
        ],
      },
    ],
    ['[timolol] 1 drop od', { timolol: ['dose:1 drop=1 [drp]', 'form:drop'] }],
    ['[vitamin D] 50,000 IU', { 'vitamin D': ['dose:50,000 IU=50000 [iU]'] }],
    [
      '[metformin] 500 mg PO BID',
      { metformin: ['strength:500 mg=500 mg', 'route:PO=26643006', `frequency:BID=${twice}`] },
    ],
    [
      'Take 1-2 tablets of [acetaminophen] by mouth every 4-6 hours as needed for pain for 7 days.',
      {
        acetaminophen: [
          'dose:1-2 tablets=1-2 {tbl}',
          'form:tablets',
          'route:by mouth=26643006',
          'frequency:every 4-6 hours={"repeat":{"frequency":1,"period":4,"periodUnit":"h","periodMax":6}}',
          'prn:as needed=true',
          'reason:pain',
          'duration:7 days=7 d',
        ],
      },
    ],
    [
      '[lisinopril] 10 mg daily, [metoprolol] 25 mg BID',
      {
        lisinopril: ['strength:10 mg=10 mg', `frequency:daily=${daily}`],
        metoprolol: ['strength:25 mg=25 mg', `frequency:BID=${twice}`],
      },
    ],
    [
      '[lantus] 20 units SQ at bedtime',
      {
        lantus: [
          'dose:20 units=20 [iU]',
          'route:SQ=34206005',
          'frequency:at bedtime={"repeat":{"when":["HS"],"frequency":1,"period":1,"periodUnit":"d"}}',
        ],
      },
    ],
    [
      '[metformin] 500 mg tablet #60, 3 refills, take one tablet daily',
      {
        metformin: [
          'strength:500 mg=500 mg',
          'form:tablet',
          'dose:one tablet=1 {tbl}',
          'form:tablet',
          `frequency:daily=${daily}`,
        ],
      },
    ],
    [
      'Stop [lisinopril] and start [losartan] 50 mg daily.',
      {
        lisinopril: ['status:Stop=stop'],
        losartan: ['status:start=start', 'strength:50 mg=50 mg', `frequency:daily=${daily}`],
      },
    ],
    ['treated with 900 mg of [glyburide]', { glyburide: ['dose:900 mg=900 mg'] }],
    [
      'intravenous [tobramycin] and oral [ciprofloxacin]',
      { tobramycin: ['route:intravenous=47625008'], ciprofloxacin: ['route:oral=26643006'] },
    ],
    [
      '[lisinopril] 10 daily, [ASA] 81.',
      { lisinopril: ['strength:10', `frequency:daily=${daily}`], ASA: ['strength:81'] },
    ],
    [
      '[Norco] 5/325 1 tab BID',
      { Norco: ['strength:5/325=5 mg / 325 mg', 'dose:1 tab=1 {tbl}', 'form:tab', `frequency:BID=${twice}`] },
    ],
    [
      '[metformin] ER 500 mg daily',
      { metformin: ['form:ER', 'strength:500 mg=500 mg', `frequency:daily=${daily}`] },
    ],
    [
      '[amoxicillin] 400 mg/5 mL suspension',
      { amoxicillin: ['strength:400 mg/5 mL=80 mg/mL', 'form:suspension'] },
    ],
  ])('%s', (text, wanted) => {
    expect(signatures(text)).toEqual(wanted);
  });

  test('a tapered dose keeps each step with its drug', () => {
    const found = signatures('[prednisone] 5 mg in the morning and 10 mg at night').prednisone!;
    expect(found.filter((each) => /^(?:strength|dose):/.test(each)).length).toBe(2);
    expect(found.filter((each) => each.startsWith('frequency:')).length).toBe(2);
  });

  test('findings are no routes, laboratory values no doses', () => {
    expect(signatures('[methotrexate] caused oral ulcers with sodium 128 mEq/L')).toEqual({
      methotrexate: [],
    });
  });
});

describe('every unit, form, route and status word is found in its example', () => {
  test.each(medicationRules.routes.map((row) => [row.example, row.words] as const))(
    '%s',
    (example, words) => {
      const found = signatures(`[drugname] ${example.replace(/^\S+ /, '')}`).drugname ?? [];
      const before = signatures(`${example.replace(/ \S+$/, '')} [drugname]`).drugname ?? [];
      expect(
        [...found, ...before].some(
          (each) => each.startsWith('route:') && words.includes(each.slice(6).split('=')[0]!.toLowerCase()),
        ),
      ).toBe(true);
    },
  );

  test.each(
    readRules<{ status: string; example: string }[]>('attributes-status.json').map(
      (row) => [row.example, row.status] as const,
    ),
  )('%s', (example, status) => {
    const marked = example.replace(
      /(metformin|lisinopril|metoprolol|furosemide|atorvastatin|warfarin|losartan)/,
      '[$1]',
    );
    expect(
      Object.values(signatures(marked))
        .flat()
        .some((each) => each.startsWith('status:') && each.endsWith(`=${status}`)),
    ).toBe(true);
  });
});

describe('frequencies', () => {
  const repeat = (text: string): unknown => JSON.parse(timingOf(text) ?? '{}').repeat;
  test.each<[string, object]>([
    ['daily', { frequency: 1, period: 1, periodUnit: 'd' }],
    ['once a day', { frequency: 1, period: 1, periodUnit: 'd' }],
    ['twice daily', { frequency: 2, period: 1, periodUnit: 'd' }],
    ['2 times a day', { frequency: 2, period: 1, periodUnit: 'd' }],
    ['3 (three) times daily', { frequency: 3, period: 1, periodUnit: 'd' }],
    ['b.i.d.', { frequency: 2, period: 1, periodUnit: 'd' }],
    ['TID', { frequency: 3, period: 1, periodUnit: 'd' }],
    ['QID', { frequency: 4, period: 1, periodUnit: 'd' }],
    ['q8h', { frequency: 1, period: 8, periodUnit: 'h' }],
    ['q 4-6 h', { frequency: 1, period: 4, periodMax: 6, periodUnit: 'h' }],
    ['every 12 hours', { frequency: 1, period: 12, periodUnit: 'h' }],
    ['every other day', { frequency: 1, period: 2, periodUnit: 'd' }],
    ['QOD', { frequency: 1, period: 2, periodUnit: 'd' }],
    ['weekly', { frequency: 1, period: 1, periodUnit: 'wk' }],
    ['twice a week', { frequency: 2, period: 1, periodUnit: 'wk' }],
    ['three times per week', { frequency: 3, period: 1, periodUnit: 'wk' }],
    ['every 3 months', { frequency: 1, period: 3, periodUnit: 'mo' }],
    ['monthly', { frequency: 1, period: 1, periodUnit: 'mo' }],
    ['qhs', { frequency: 1, period: 1, periodUnit: 'd', when: ['HS'] }],
    ['every morning', { frequency: 1, period: 1, periodUnit: 'd', when: ['MORN'] }],
    ['twice daily with meals', { frequency: 2, period: 1, periodUnit: 'd', when: ['C'] }],
    ['MWF', { frequency: 1, period: 1, periodUnit: 'd', dayOfWeek: ['mon', 'wed', 'fri'] }],
    ['once', { count: 1 }],
    ['1-2 times a day', { frequency: 1, frequencyMax: 2, period: 1, periodUnit: 'd' }],
  ])('%s', (text, wanted) => {
    expect(repeat(text)).toEqual(wanted);
  });
});

describe('dates of a mention', () => {
  test.each<[string, MentionType, string | undefined, string]>([
    ['[CABG] in 2014', 'procedure', undefined, 'date:2014=2014'],
    ['[CABG] on 03/12/2014', 'procedure', undefined, 'date:03/12/2014=2014-03-12'],
    ['In March 2014 he underwent [CABG].', 'procedure', undefined, 'date:March 2014=2014-03'],
    ['[stroke] three days ago', 'diagnosis', '2020-05-10', 'date:three days ago=2020-05-07'],
    ['[stroke] last March', 'diagnosis', '2020-05-10', 'date:last March=2020-03'],
    ['[diabetes] since 2010', 'diagnosis', undefined, 'date:2010=2010'],
    ['[MI] 5 years ago', 'diagnosis', '2020-05-10', 'date:5 years ago=2015'],
    ['[CABG] (2008)', 'procedure', undefined, 'date:2008=2008'],
    ['[appendectomy] yesterday', 'procedure', '2020-03-01', 'date:yesterday=2020-02-29'],
    ['[hip replacement] POD 2', 'procedure', '2020-03-05', 'date:POD 2=2020-03-03'],
  ])('%s', (text, type, date, wanted) => {
    expect(Object.values(signatures(text, type, date)).flat()).toContain(wanted);
  });
});

describe('what is said of a finding', () => {
  test.each<[string, MentionType, string[]]>([
    ['left [knee pain]', 'symptom', ['laterality:left=7771000']],
    ['[fracture] of the right femur', 'diagnosis', ['laterality:right=24028007', 'body-site:femur']],
    ['severe [asthma]', 'diagnosis', ['severity:severe=24484000']],
    ['[BP] 120/80', 'vital-sign', ['value:120/80=120/80', 'unit:120/80=mm[Hg]']],
    ['[T] 98.6', 'vital-sign', ['value:98.6=98.6', 'unit:98.6=[degF]']],
    ['[A1c] 8.2%', 'test', ['value:8.2=8.2', 'unit:%=%']],
    ['[creatinine] of 1.4 mg/dL', 'test', ['value:1.4=1.4', 'unit:mg/dL=mg/dL']],
    ['[rapid strep] positive', 'test', ['value:positive=positive']],
  ])('%s', (text, type, wanted) => {
    const found = Object.values(signatures(text, type)).flat();
    for (const each of wanted) expect(found).toContain(each);
  });
});

describe('what stands beside a drug and is not its own', () => {
  test.each<[string, Record<string, string[]>]>([
    ['HFrEF (EF 25%), on [insulin].', { insulin: [] }],
    [
      'Gave [furosemide] 80 mg IV x1 w/ 900 cc UOP.',
      { furosemide: ['strength:80 mg=80 mg', 'route:IV=47625008'] },
    ],
  ])('%s', (text, expected) => expect(signatures(text)).toEqual(expected));
});
