import { hashString } from '../2-mention/hash.js';
import { buildWordTable, type WordTable } from '../2-mention/words.js';
import { KINDS, type Names } from './gazetteers.js';
import { cluster, type WordVectors } from './word-vectors.js';

/**
 * Flat clusterings, coarse to fine, then one more: each cuts elsewhere, and words that several of them join are alike. A tree of clusters is ten times cheaper to build and cost 1.5 points on disease names.
 */
const CLUSTERINGS = [48, 160, 512, 1536, 300] as const;
const WIDTH = CLUSTERINGS.length + 3;

/** The table as rows, for the weights file, and ready to use. */
export interface LexicalRows {
  readonly hashes: Int32Array;
  readonly values: Uint16Array;
  readonly width: number;
  readonly table: WordTable;
}

/** Joins clusters of the unlabelled text and kinds of names into one table of words. */
export function buildLexicalTable(vectors: WordVectors, names: Names, seed: number): LexicalRows {
  const levels = CLUSTERINGS.map((size, i) => cluster(vectors.vectors, vectors.size, size, seed + i));
  const rows = new Map<number, Uint16Array>();
  const rowOf = (id: number): Uint16Array => {
    let row = rows.get(id);
    if (!row) {
      row = new Uint16Array(WIDTH);
      rows.set(id, row);
    }
    return row;
  };
  vectors.words.forEach((word, i) => {
    const row = rowOf(hashString(word));
    levels.forEach((level, j) => {
      row[j] = level[i]!;
    });
    row[CLUSTERINGS.length + 2] = 1 + Math.min(12, Math.floor(Math.log2(vectors.counts[i]!)));
  });
  const totals = new Float64Array(KINDS);
  for (const counts of names.words.values())
    for (let k = 0; k < KINDS; k++) totals[k] = totals[k]! + counts[k]!;
  for (const [id, counts] of names.words) {
    // Kinds differ in size: a word's share of each kind's words is compared, not its count.
    const share = counts.map((n, k) => n / (totals[k]! + 1));
    const sum = share.reduce((a, b) => a + b, 0);
    const number = counts.reduce((a, b) => a + b, 0);
    if (number < 1) continue;
    let mask = 0;
    let best = 0;
    for (let k = 0; k < KINDS; k++) {
      if (share[k]! / sum >= 0.12) mask |= 1 << k;
      if (share[k]! > share[best]!) best = k;
    }
    const sure = share[best]! / sum;
    const row = rowOf(id);
    row[CLUSTERINGS.length] = mask;
    row[CLUSTERINGS.length + 1] =
      1 + best * 8 + (sure > 0.9 ? 3 : sure > 0.6 ? 2 : 1) + (number >= 3 ? 4 : 0);
  }
  const hashes = new Int32Array(rows.size);
  const values = new Uint16Array(rows.size * WIDTH);
  let i = 0;
  for (const [id, row] of rows) {
    hashes[i] = id;
    values.set(row, i * WIDTH);
    i++;
  }
  return { hashes, values, width: WIDTH, table: buildWordTable(hashes, values, WIDTH) };
}
