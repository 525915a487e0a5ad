import { describe, expect, test } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { tokenize } from '../../nlp/1-segment/tokens.js';
import { agreeOnAbbreviations } from '../../nlp/2-mention/agreement.js';
import { Lattice, mayFollow, spansOf } from '../../nlp/2-mention/crf.js';
import { findMentions } from '../../nlp/2-mention/index.js';
import { loadTagger, sectionHash } from '../../nlp/2-mention/tagger.js';
import {
  decodeTagger,
  encodeTagger,
  findRow,
  mayHave,
  ROW_COLUMNS,
} from '../../nlp/2-mention/tagger-file.js';
import { seededRandom } from '../../nlp/train/random.js';

/** Every legal label path with its score, by trying all. */
function allPaths(
  emissions: number[][],
  transitions: number[],
  start: number[],
): { path: number[]; score: number }[] {
  const labels = start.length;
  let paths = start.flatMap((s, y) =>
    mayFollow(-1, y) ? [{ path: [y], score: s + emissions[0]![y]! }] : [],
  );
  for (let t = 1; t < emissions.length; t++) {
    paths = paths.flatMap(({ path, score }) => {
      const from = path[path.length - 1]!;
      return Array.from({ length: labels }, (_, y) => y)
        .filter((y) => mayFollow(from, y))
        .map((y) => ({
          path: [...path, y],
          score: score + transitions[from * labels + y]! + emissions[t]![y]!,
        }));
    });
  }
  return paths;
}

describe('decoding of the tagger', () => {
  const labels = 5;
  test.each([1, 2, 3, 4, 5])(
    'finds the best path and the probabilities that trying all paths finds (seed %i)',
    (seed) => {
      const random = seededRandom(seed);
      const draw = (n: number): number[] => Array.from({ length: n }, () => random() * 4 - 2);
      const transitions = draw(labels * labels);
      const start = draw(labels);
      const emissions = Array.from({ length: 4 }, () => draw(labels));
      const lattice = new Lattice(labels, transitions, start);
      lattice.reset(emissions.length);
      emissions.forEach((row, t) => {
        row.forEach((value, y) => {
          lattice.emissions[t * labels + y] = value;
        });
      });
      const paths = allPaths(emissions, transitions, start);
      const best = paths.reduce((a, b) => (b.score > a.score ? b : a));
      expect([...lattice.viterbi(emissions.length)]).toEqual(best.path);
      lattice.marginals(emissions.length);
      const total = paths.reduce((sum, { score }) => sum + Math.exp(score), 0);
      for (let t = 0; t < emissions.length; t++) {
        for (let y = 0; y < labels; y++) {
          const share = paths
            .filter(({ path }) => path[t] === y)
            .reduce((sum, { score }) => sum + Math.exp(score), 0);
          expect(lattice.probabilities[t * labels + y]).toBeCloseTo(share / total, 6);
        }
      }
    },
  );

  test('reads labels as spans', () => {
    expect(spansOf([0, 1, 2, 0, 3, 1]).map(({ first, last, type }) => [first, last, type])).toEqual([
      [1, 3, 0],
      [4, 5, 1],
      [5, 6, 0],
    ]);
  });
});

describe('weights file', () => {
  test('keeps features, words and phrases through writing and reading', () => {
    const file = decodeTagger(
      encodeTagger({
        models: [
          {
            name: 'm',
            types: ['A'],
            column: 0,
            unit: 0.5,
            transitions: Array(9).fill(0),
            start: [0, 0, 0],
            bias: [0],
          },
        ],
        columns: 3,
        features: Int32Array.from([7, -4_000_000]),
        rows: Int8Array.from([1, -2, 3, 4, 5, -6]),
        wordHashes: Int32Array.from([9]),
        wordValues: Uint16Array.from([1, 2]),
        wordWidth: 2,
        phraseHashes: Int32Array.from([11]),
        phraseKinds: Uint16Array.from([3]),
        about: { set: 'none' },
      }),
    );
    const row = (feature: number) =>
      [...file.rows.subarray(findRow(file, feature) * ROW_COLUMNS)].slice(0, 3);
    expect(row(7)).toEqual([1, -2, 3]);
    expect(row(-4_000_000)).toEqual([4, 5, -6]);
    expect(findRow(file, 8)).toBe(-1);
    expect([7, -4_000_000].map((feature) => mayHave(file.filter, feature))).toEqual([true, true]);
    expect(file.models[0]!.types).toEqual(['A']);
    expect(file.about).toEqual({ set: 'none' });
  });

  test('refuses bytes that are none, naming the remedy', () => {
    expect(() => decodeTagger(Buffer.from('H4sIAAAAAAAAAwMAAAAAAAAAAAA=', 'base64'))).toThrow(/train/);
  });

  test('of the package loads in less than a second', () => {
    // Processor time: the clock on the wall would also measure whatever else the machine does.
    const before = process.cpuUsage();
    loadTagger();
    const used = process.cpuUsage(before);
    expect((used.user + used.system) / 1000).toBeLessThan(1000);
  });
});

describe('the shipped tagger', () => {
  const note =
    'HPI: 67 yo with CAD on metoprolol. She denies chest pain.\nPLAN: echocardiogram, start furosemide 40 mg.';
  const read = (text: string) => findMentions({ text, ...segmentText(text) });

  test('gives the same mentions whatever was read before', () => {
    const first = read(note);
    for (const other of [
      'aspirin',
      'Stage 4 carcinoma of the lung, s/p lobectomy.',
      '\u{1F600} ((((',
      note.toUpperCase(),
    ])
      read(other);
    expect(read(note)).toEqual(first);
  });

  test.each([
    ['random marks', '%%%~~~```((([[[{{{'.repeat(200)],
    ['a 10,000 character word', 'a'.repeat(10_000)],
    [
      'emoji and right-to-left text',
      '\u{1F489}\u{1F48A} \u05D0\u05E1\u05E4\u05D9\u05E8\u05D9\u05DF '.repeat(300),
    ],
    ['one endless sentence', 'aspirin and '.repeat(5_000)],
    ['nothing', ''],
  ])('survives %s', (_, text) => {
    for (const mention of read(text)) expect(text.slice(mention.start, mention.end)).toBe(mention.text);
  });

  test('has the models it was trained with', () => {
    const tokens = tokenize('Naloxone reverses the effect of clonidine.');
    const spans = loadTagger().tagWith('chemical-disease', {
      tokens,
      section: sectionHash('none'),
      listItem: false,
      drugs: [],
    });
    expect(spans.spans.map((span) => tokens[span.first]!.text)).toEqual(['Naloxone', 'clonidine']);
  });
});

describe('abbreviations of a document', () => {
  const sentences = [
    'Growth hormone (GH) was given.',
    'After GH the height rose.',
    'The GHOST was not GH.',
  ].map((text) => tokenize(text));
  const words = (spans: ReturnType<typeof agreeOnAbbreviations>) =>
    spans.flatMap((list, i) =>
      list.map((span) =>
        sentences[i]!.slice(span.first, span.last)
          .map((token) => token.text)
          .join(' '),
      ),
    );

  test('are of the type of their long form wherever they stand', () => {
    const spans = agreeOnAbbreviations(sentences, [
      [{ first: 0, last: 2, type: 0, score: 1 }],
      [{ first: 1, last: 2, type: 3, score: 0.5 }],
      [],
    ]);
    expect(words(spans)).toEqual(['Growth hormone', 'GH', 'GH', 'GH']);
    expect(new Set(spans.flat().map((span) => span.type))).toEqual(new Set([0]));
  });

  test('do not run into the name before them', () => {
    const spans = agreeOnAbbreviations(sentences, [[{ first: 0, last: 4, type: 0, score: 1 }], [], []]);
    expect(words(spans)[0]).toBe('Growth hormone');
  });
});
