import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBrat, readCsv, readPhee, readPubTator } from '../../nlp/eval/corpora.js';
import { parseGoldNotes } from '../../nlp/eval/gold-notes.js';
import { addDocument, noCounts, scores } from '../../nlp/eval/score.js';
import { regressions, scoreTable } from '../../nlp/eval/score-table.js';
import { trainCrf } from '../../nlp/train/crf-trainer.js';
import { labelsOf, prepare } from '../../nlp/train/prepare.js';
import { cluster, wordVectors } from '../../nlp/train/word-vectors.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cenote-eval-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function written(name: string, text: string): string {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

describe('readers of gold', () => {
  test('take BRAT spans, a broken one from its first to its last character', () => {
    written('a.txt', 'Severe chest wall pain.');
    written(
      'a.ann',
      'T1\tSign_symptom 0 6;18 22\tSevere pain\nE1\tSign_symptom:T1\nR1\tMODIFY Arg1:T1 Arg2:T1\n',
    );
    expect(readBrat(folder)).toEqual([
      { id: 'a', text: 'Severe chest wall pain.', spans: [{ type: 'Sign_symptom', start: 0, end: 22 }] },
    ]);
  });

  test('take PubTator mentions and pass over relations', () => {
    const file = written(
      'p.pubtator',
      '7|t|Ice harms.\n7|a|It does.\n7\t0\t3\tIce\tChemical\tD1\n7\tCID\tD1\tD2\n',
    );
    expect(readPubTator(file)).toEqual([
      { id: '7', text: 'Ice harms.\nIt does.', spans: [{ type: 'Chemical', start: 0, end: 3 }] },
    ]);
  });

  test('take arguments of PHEE events by role', () => {
    const event = { Treatment: { text: [['ice']], start: [[4]], Drug: { text: [['ice']], start: [[4]] } } };
    const file = written(
      'e.json',
      `${JSON.stringify({ id: 'x', context: 'The ice.', annotations: [{ events: [event] }] })}\n`,
    );
    expect(readPhee(file)[0]!.spans.map((span) => span.type)).toEqual(['Treatment', 'Treatment.Drug']);
  });

  test('take CSV cells with line breaks and doubled quotes', () => {
    expect(readCsv(written('c.csv', 'id,note\n1,"a ""b""\nc"\n'))).toEqual([{ id: '1', note: 'a "b"\nc' }]);
  });

  test('take marked notes of our own', () => {
    expect(parseGoldNotes('=== n1 style\nTakes [[aspirin|med]].\n')).toEqual([
      { id: 'n1 style', text: 'Takes aspirin.\n', spans: [{ start: 6, end: 13, type: 'medication' }] },
    ]);
    expect(() => parseGoldNotes('=== n1\n[[x|nonsense]]')).toThrow(/nonsense/);
  });
});

describe('scores', () => {
  const gold = [
    { start: 0, end: 10, type: 'a' },
    { start: 20, end: 30, type: 'a' },
  ];
  test.each([
    ['exact span', true, 0.5, 0.5],
    ['overlapping span', false, 1, 1],
  ])('by %s', (_, exact, precision, recall) => {
    const counts = noCounts();
    addDocument(
      counts,
      [
        { start: 0, end: 10, type: 'a' },
        { start: 25, end: 32, type: 'a' },
      ],
      gold,
      exact,
    );
    expect(scores(counts)).toMatchObject({ precision, recall });
  });

  test('do not count a span of another type', () => {
    const counts = noCounts();
    addDocument(counts, [{ start: 0, end: 10, type: 'b' }], gold, false);
    expect(scores(counts).f1).toBe(0);
  });
});

describe('the page of scores', () => {
  const row = { what: 'Medication', data: 'set', documents: 3, rule: 'exact span', value: 0.75 };
  test.each([
    ['the same figure', 0.75, 0],
    ['a little less', 0.746, 0],
    ['clearly less', 0.74, 1],
    ['more', 0.8, 0],
  ])('compared with %s', (_, value, count) => {
    expect(regressions(scoreTable([row]), [{ ...row, value }])).toHaveLength(count);
  });

  test('is silent on figures it does not have', () => {
    expect(regressions(scoreTable([row]), [{ ...row, what: 'other', value: 0 }])).toEqual([]);
  });
});

describe('training', () => {
  test('labels the tokens of a span, the earlier of two that overlap', () => {
    const text = 'Severe chest pain today.';
    const document = prepare({
      id: 'd',
      text,
      spans: [
        { type: 'x', start: 7, end: 17 },
        { type: 'y', start: 13, end: 23 },
      ],
    });
    expect(labelsOf(document, (type) => ['x', 'y'].indexOf(type)).map((labels) => [...labels])).toEqual([
      [0, 1, 2, 3, 0],
    ]);
  });

  test('learns a rule from features and gives the same weights again', () => {
    const data = Array.from({ length: 40 }, (_, i) => ({
      features: [[1], [i % 2 === 0 ? 2 : 3], [4]],
      labels: [0, i % 2 === 0 ? 1 : 0, 0],
    }));
    const options = { labels: 3, seed: 5, epochs: 5, rate: 0.1, l2: 1e-5, dropout: 0, minCount: 1, runs: 2 };
    const model = trainCrf(data, options);
    const weight = (feature: number, label: number): number =>
      model.weights[model.hashes.indexOf(feature) * 3 + label]!;
    expect(weight(2, 1)).toBeGreaterThan(weight(3, 1) + 0.5);
    expect([...trainCrf(data, options).weights]).toEqual([...model.weights]);
  });

  test('puts words of the same places into the same cluster', () => {
    const sentences = Array.from({ length: 300 }, (_, i) =>
      i % 2 === 0
        ? ['takes', ['aspirin', 'warfarin', 'digoxin'][i % 3]!, 'daily']
        : ['denies', ['cough', 'fever', 'chills'][i % 3]!, 'today'],
    );
    const vectors = wordVectors(sentences, {
      minCount: 2,
      maxWords: 100,
      contextWords: 100,
      size: 3,
      seed: 1,
    });
    const groups = cluster(vectors.vectors, 3, 4, 1);
    const of = (word: string): number => groups[vectors.words.indexOf(word)]!;
    expect(of('aspirin')).toBe(of('warfarin'));
    expect(of('cough')).toBe(of('fever'));
    expect(of('aspirin')).not.toBe(of('cough'));
  });
});
