import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { tokenize } from '../../nlp/1-segment/tokens.js';
import { FLAG, loadLexicon, matchLexicon, SYSTEMS } from '../../nlp/2-mention/lexicon.js';
import { createLexiconBuilder } from '../../nlp/2-mention/lexicon-builder.js';
import { decodeLexicon, encodeLexicon } from '../../nlp/2-mention/lexicon-file.js';
import { nlpRoot } from '../../nlp/rules/load.js';

const folder = join(nlpRoot(), 'rules', 'lexicon');
const prefixes: Record<string, string> = {
  rxn: SYSTEMS[0],
  sct: SYSTEMS[1],
  icd: SYSTEMS[2],
  loinc: SYSTEMS[3],
  cvx: SYSTEMS[4],
};

function found(
  text: string,
): { text: string; type: string; codes: string[]; flags: number; corrected?: string }[] {
  const tokens = tokenize(text);
  return matchLexicon(tokens).map((hit) => ({
    text: text.slice(tokens[hit.firstToken]!.start, tokens[hit.lastToken - 1]!.end),
    type: hit.type,
    codes: hit.rows.flatMap((row) =>
      row.concepts.map((concept) => `${SYSTEMS[concept.system]}|${concept.code}`),
    ),
    flags: hit.flags,
    corrected: hit.corrected,
  }));
}

describe('every row of our own is found in its example', () => {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.tsv'))) {
    test(file, () => {
      const failed: string[] = [];
      for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
        if (line === '' || line.startsWith('#')) continue;
        const [words = '', type, , codes = '', example = ''] = line.split('\t');
        expect(example, `an example for ${words}`).not.toBe('');
        const tokens = tokenize(example);
        const rows = matchLexicon(tokens).flatMap((hit) => hit.rows);
        const wanted = codes
          .split(' ')
          .filter(Boolean)
          .map((code) => {
            const [prefix, value] = code.split(':');
            return `${prefixes[prefix!]}|${value}`;
          });
        const hit = rows.some(
          (row) =>
            row.type === type &&
            wanted.every((code) =>
              row.concepts.some((concept) => `${SYSTEMS[concept.system]}|${concept.code}` === code),
            ),
        );
        if (!hit) failed.push(`${words} in "${example}"`);
      }
      expect(failed).toEqual([]);
    });
  }
});

describe('words in a note', () => {
  test.each([
    ['PMH: HTN, DM2, and hyperlipidemia.', ['HTN', 'DM2', 'hyperlipidemia']],
    ['viral sinusitis (disorder)', ['viral sinusitis']],
    ['fracture of the left femur', ['fracture of the left femur', 'fracture']],
    ["Crohn's disease flare", ["Crohn's disease"]],
    [
      'acetaminophen 325 mg / oxycodone hydrochloride 10 mg oral tablet [percocet]',
      ['acetaminophen 325 mg / oxycodone hydrochloride 10 mg oral tablet [percocet]'],
    ],
    ['metastases and oedema', ['oedema']],
  ])('%s', (text, wanted) => {
    const texts = found(text).map((hit) => hit.text);
    expect(texts.some((each) => wanted.includes(each))).toBe(true);
    for (const hit of found(text)) expect(text).toContain(hit.text);
  });

  test('capitals decide where lower-case is another word', () => {
    expect(found('CTA showed PE.').some((hit) => hit.text === 'PE')).toBe(true);
    expect(found('he is in pe class').some((hit) => hit.text === 'pe')).toBe(false);
  });

  test('a misspelt drug is found with the name that was meant', () => {
    expect(found('metoprolal 25 mg')[0]).toMatchObject({ type: 'medication' });
    expect(found('amoxacillin 500 mg')[0]?.codes).toContain(`${SYSTEMS[0]}|723`);
    expect(found('The patient appeared to have proven thrombi.').filter((hit) => hit.corrected)).toEqual([]);
  });

  test('an ordinary word that is also a product asks for context', () => {
    for (const word of ['water', 'oxygen', 'perform', 'iron']) {
      for (const hit of found(`The ${word} is here.`))
        expect(hit.flags & FLAG.needsContext, word).not.toBe(0);
    }
  });
});

describe('codes', () => {
  const shape = [
    /^\d{1,7}$/,
    /^\d{6,18}$/,
    /^[A-TVZU]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?$/,
    /^\d{1,5}-\d$/,
    /^\d{1,3}$/,
    /^[0-9A-HJ-NP-Z]{7}$/,
  ];

  test('every code has the form of its system, and none is a CPT or CDT code', () => {
    const { tables } = loadLexicon();
    const wrong: string[] = [];
    for (let id = 0; id < tables.conceptCount; id++) {
      const concept = tables.concept(id);
      if (!shape[concept.system]!.test(concept.code))
        wrong.push(`${SYSTEMS[concept.system]} ${concept.code}`);
    }
    expect(wrong).toEqual([]);
  });

  const tablesFolder = process.env.CENOTE_TERMINOLOGY_TABLES ?? '';
  test.skipIf(!existsSync(tablesFolder))('every code stands in a table of CENOTE_TERMINOLOGY_TABLES', () => {
    const names = ['rxnorm', 'snomed_gps', 'icd10cm', 'loinc_seen', 'cvx'];
    const known = names.map((name) => {
      const lines = gunzipSync(readFileSync(join(tablesFolder, `${name}.tsv.gz`)))
        .toString('utf8')
        .split('\n');
      return new Set(lines.map((line) => line.slice(0, line.indexOf('\t'))));
    });
    const { tables } = loadLexicon();
    const wrong: string[] = [];
    for (let id = 0; id < tables.conceptCount; id++) {
      const concept = tables.concept(id);
      if (!known[concept.system]?.has(concept.code)) wrong.push(`${SYSTEMS[concept.system]} ${concept.code}`);
    }
    expect(wrong).toEqual([]);
  });
});

test('a lexicon written and read again is the same', () => {
  const builder = createLexiconBuilder();
  const id = builder.concept(SYSTEMS[1], '38341003', 'Hypertensive disorder', 'disorder');
  builder.phrase('high blood pressure', 'diagnosis', 0, [id]);
  builder.phrase('high fever', 'symptom', FLAG.needsContext, []);
  const tables = decodeLexicon(encodeLexicon(builder.content()));
  expect([...tables.types].length).toBe(2);
  expect(tables.concept(0)).toMatchObject({
    code: '38341003',
    display: 'Hypertensive disorder',
    kind: 'disorder',
  });
});

test('matching is fast enough: 400,000 words per second of one core', () => {
  const line =
    'Patient with history of hypertension, type 2 diabetes mellitus and chronic kidney disease presents with chest pain after taking lisinopril 10 mg daily. ';
  const tokens = tokenize(line.repeat(500));
  const perSecond = (): number => {
    // Time of this process, not of the clock: other work on the machine must not fail the test.
    const start = process.cpuUsage();
    for (let i = 0; i < 4; i++) matchLexicon(tokens);
    return (4 * tokens.length * 1e6) / process.cpuUsage(start).user;
  };
  perSecond();
  expect(Math.max(perSecond(), perSecond(), perSecond())).toBeGreaterThan(400_000);
});
