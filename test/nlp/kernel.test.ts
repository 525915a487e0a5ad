import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { segmentText } from '../../nlp/1-segment/index.js';
import { Lattice } from '../../nlp/2-mention/crf.js';
import { drugMarks } from '../../nlp/2-mention/drug-marks.js';
import type { TaggerSentence } from '../../nlp/2-mention/kernel.js';
import { matchLexicon } from '../../nlp/2-mention/lexicon.js';
import { hintsFrom, loadTagger, sectionHash } from '../../nlp/2-mention/tagger.js';
import { findRow, ROW_COLUMNS } from '../../nlp/2-mention/tagger-file.js';
import { Featurizer } from '../../nlp/train/tagger-trainer.js';

const NOTES = [
  'Assessment: 67 yo man with CAD s/p CABG, on metoprolol 25 mg BID and ASA 81. Denies chest pain.',
  'A 7-year-old girl presented with a non-small-cell tumour of the left lung; CT of the chest, biopsy and chemotherapy with cisplatin followed.',
  'MEDICATIONS:\n- Lisinopril 10 mg daily\n- Tylenol prn\n- warfarn 5 mg\nALLERGIES: penicillin (hives)',
  'Pain.',
  `He took ${Array.from({ length: 30 }, (_, i) => `drug${i} and aspirin`).join(', ')}.`,
  'Zwölf Ärzte — “naïve” 発熱 und Übelkeit 🤒 after IL-2, 12.5 % of 1,000.',
];

function sentencesOf(text: string): TaggerSentence[] {
  const { sections, sentences, tokens } = segmentText(text);
  return sentences.map(({ firstToken, lastToken, listItem, section }) => {
    const words = tokens.slice(firstToken, lastToken);
    return {
      tokens: words,
      section: sectionHash(sections[section]?.kind ?? 'none'),
      listItem,
      drugs: drugMarks(words, matchLexicon(words)),
    };
  });
}

describe('the kernel of the tagger', () => {
  const tagger = loadTagger();
  const { file } = tagger;
  const featurizer = new Featurizer(file);

  /** The same numbers by the code that training uses, one weight after the other. */
  function slowly(sentence: TaggerSentence): Lattice {
    const plain = featurizer.features(sentence);
    const hints = sentence.tokens.map((_, t) => [...(sentence.drugs[t] ?? [])]);
    const { length } = plain;
    const latticeOf = (m: number, features: readonly ArrayLike<number>[]): Lattice => {
      const model = file.models[m]!;
      const labels = 2 * model.types.length + 1;
      const lattice = new Lattice(labels, model.transitions, model.start);
      lattice.reset(length);
      features.forEach((list, t) => {
        for (let y = 0; y < labels; y++) {
          let sum = 0;
          for (let i = 0; i < list.length; i++) {
            const row = findRow(file, list[i]!);
            if (row >= 0) sum += file.rows[row * ROW_COLUMNS + model.column + y]!;
          }
          lattice.emissions[t * labels + y] = sum * model.unit + (y === 0 ? 0 : model.bias[(y - 1) >> 1]!);
        }
      });
      lattice.marginals(length);
      return lattice;
    };
    const last = file.models.length - 1;
    for (let m = 0; m < last; m++) {
      const lattice = latticeOf(m, plain);
      hintsFrom(m, lattice.probabilities, lattice.labels, length, hints);
    }
    return latticeOf(last, featurizer.features(sentence, hints));
  }

  test.each(NOTES.map((note) => [note.slice(0, 30), note]))(
    'finds the probabilities and spans that training finds: %s …',
    (_, note) => {
      for (const sentence of sentencesOf(note)) {
        const { spans, probabilities } = tagger.tag(sentence);
        const lattice = slowly(sentence);
        const { length } = sentence.tokens;
        const types = tagger.types.length;
        for (let t = 0; t < length; t++) {
          for (let k = 0; k < types; k++) {
            const at = t * lattice.labels + 2 * k + 1;
            const expected = lattice.probabilities[at]! + lattice.probabilities[at + 1]!;
            expect(Math.abs(probabilities[t * types + k]! - expected)).toBeLessThan(1e-4);
          }
        }
        const path = lattice.viterbi(length);
        const tagged = new Int32Array(length);
        for (const { first, last, type } of spans)
          for (let t = first; t < last; t++) tagged[t] = 2 * type + (t === first ? 1 : 2);
        expect([...tagged]).toEqual([...path]);
      }
    },
  );

  test('reads a sentence alike when its words are known, new or forgotten', () => {
    const [sentence] = sentencesOf(NOTES[1]!);
    const first = tagger.tag(sentence!);
    const word = sentence!.tokens[0]!;
    for (let i = 0; i < 31_000; i += 300) {
      const tokens = Array.from({ length: 300 }, (_, k) => ({
        ...word,
        text: `w${i + k}`,
        norm: `w${i + k}`,
      }));
      tagger.tag({ ...sentence!, tokens, drugs: [] });
    }
    const again = tagger.tag(sentence!);
    expect(again.spans).toEqual(first.spans);
    expect([...again.probabilities]).toEqual([...first.probabilities]);
  });

  test('is what its source compiles to', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cenote-kernel-'));
    try {
      const built = join(folder, 'kernel.wasm');
      execFileSync(process.execPath, ['nlp/kernel/build.mjs', built]);
      expect(readFileSync(built).equals(readFileSync('nlp/kernel/kernel.wasm'))).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 240_000);
});
