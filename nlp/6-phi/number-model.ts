import { gunzipSync } from 'node:zlib';
import { hashString, mix } from '../2-mention/hash.js';
import type { Span } from '../model.js';
import { readModel } from '../rules/load.js';
import type { Found } from './rules.js';

/** What a word with digits can be: nothing personal, or part of a date, telephone number, identifier or address. */
export const NUMBER_CLASSES = ['none', 'date', 'phone', 'id', 'address'] as const;
export const NUMBER_MODEL = 'phi-numbers.bin.gz';
const CLASSES = NUMBER_CLASSES.length;
export const NUMBER_ROWS = 1 << 15;
export const NUMBER_FEATURES_MAX = 48;
const THRESHOLD = 0.5;

/** Words and numbers with the signs within them, bounded. */
const PIECE = /[\p{L}\p{N}]{1,30}(?:[-/._:*'’][\p{L}\p{N}]{1,30}){0,8}/gu;

/** A word or number; what features need of it is made when asked for, since most words stand beside no number. */
export class Piece implements Span {
  private word = 0;
  private known = false;

  constructor(
    readonly start: number,
    readonly end: number,
    readonly text: string,
    readonly digits: number,
    /** Hash of its form: digits and letters alike. */
    readonly form: number,
    /** The same with runs of digits or letters as one. */
    readonly short: number,
  ) {}

  /** Hash of the word, or of the number's form. */
  get hash(): number {
    if (!this.known) {
      this.word = this.digits > 0 ? this.form : hashString(this.text.toLowerCase());
      this.known = true;
    }
    return this.word;
  }
}

export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  PIECE.lastIndex = 0;
  for (let match = PIECE.exec(text); match; match = PIECE.exec(text)) {
    const piece = match[0];
    let digits = 0;
    for (let i = 0; i < piece.length; i++) if (isDigit(piece.charCodeAt(i))) digits++;
    let form = 0;
    let short = 0;
    if (digits > 0) {
      const shape = piece.replace(/\d/g, '9').replace(/\p{Lu}/gu, 'A');
      form = hashString(shape.slice(0, 18));
      short = hashString(shape.replace(/9+/g, '9').replace(/A+/g, 'A').slice(0, 12));
    }
    pieces.push(new Piece(match.index, match.index + piece.length, piece, digits, form, short));
  }
  return pieces;
}

const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** What stands between two pieces. */
function gapOf(text: string, from: number, to: number): number {
  if (to - from === 1 && text[from] === ' ') return 1;
  const gap = text.slice(from, Math.min(to, from + 12));
  if (gap.includes('\n')) return 2;
  return hashString(gap.replace(/[ \t]+/g, ' ').slice(0, 6));
}

/** How a pair of small numbers could be read as a day and a month. */
function pairOf(text: string): number {
  const match = /^(\d{1,2})([-/.])(\d{1,2})$/.exec(text);
  if (!match) return 0;
  const [a, b] = [Number(match[1]), Number(match[3])];
  if (a === 0 || b === 0 || a > 31 || b > 31 || (a > 12 && b > 12)) return 1;
  const sign = match[2] === '/' ? 0 : match[2] === '-' ? 1 : 2;
  return (
    2 + sign + 3 * ((a > 12 ? 1 : 0) + (b > 12 ? 2 : 0) + (a === b ? 4 : 0) + (b <= 10 && a <= b ? 8 : 0))
  );
}

/** Labels before a colon on the line of each piece. */
export function labelsOf(text: string, pieces: readonly Piece[]): Int32Array {
  const labels = new Int32Array(pieces.length);
  let label = 0;
  let since = 0;
  for (let i = 1; i < pieces.length; i++) {
    const { end } = pieces[i - 1]!;
    const gap =
      pieces[i]!.start - end === 1 ? text[end]! : text.slice(end, Math.min(pieces[i]!.start, end + 12));
    if (gap.includes('\n')) label = 0;
    if (gap.startsWith(':')) {
      label = pieces[i - 1]!.hash;
      since = 0;
    } else since++;
    labels[i] = label === 0 || since > 3 ? 0 : mix(label, since);
  }
  return labels;
}

/** Rows of the features of one piece, written into `rows`; how many. */
export function numberFeatures(
  text: string,
  pieces: readonly Piece[],
  labels: Int32Array,
  at: number,
  rows: Int32Array,
): number {
  let n = 0;
  const add = (value: number): void => {
    rows[n++] = (value >>> 0) & (NUMBER_ROWS - 1);
  };
  const own = pieces[at]!;
  const size = pieces.length;
  const hashAt = (i: number): number => (i >= 0 && i < size ? pieces[i]!.hash : 9);
  const before = at > 0 ? gapOf(text, pieces[at - 1]!.end, own.start) : 2;
  const after = at + 1 < size ? gapOf(text, own.end, pieces[at + 1]!.start) : 2;
  const pair = pairOf(own.text);
  const letters = hashString(own.text.toLowerCase().replace(/[^\p{L}]+/gu, ' '));
  const amount = Math.min(12, own.digits);
  const zero = own.text.startsWith('0') ? 1 : 0;
  const self = pair > 0 ? mix(7, pair) : own.form;
  add(201);
  add(mix(202, own.form));
  add(mix(203, own.short));
  add(mix(204, pair));
  add(mix(205, mix(amount, zero)));
  add(mix(206, mix(letters, own.short)));
  add(mix(207, mix(amount, own.short)));
  const marks = [
    [before, hashAt(at - 1), mix(hashAt(at - 2), hashAt(at - 1))],
    [after, hashAt(at + 1), mix(hashAt(at + 1), hashAt(at + 2))],
  ] as const;
  for (let side = 0; side < 2; side++) {
    const [gap, word, two] = marks[side]!;
    const k = 210 + side * 20;
    add(mix(k, mix(word, gap)));
    add(mix(k + 1, mix(word, self)));
    add(mix(k + 2, mix(word, amount)));
    add(mix(k + 3, two));
    add(mix(k + 4, mix(gap, self)));
    add(mix(k + 5, mix(gap, amount)));
    add(mix(k + 6, mix(word, own.short)));
    add(mix(k + 7, word));
  }
  add(mix(250, mix(hashAt(at - 2), own.short)));
  add(mix(251, mix(hashAt(at - 2), pair > 0 ? 1 : 0)));
  add(mix(252, mix(hashAt(at - 3), amount)));
  add(mix(253, mix(labels[at]!, own.short)));
  add(mix(254, mix(labels[at]!, amount)));
  add(mix(255, mix(hashAt(at + 2), own.short)));
  add(mix(256, mix(mix(before, after), self)));
  add(mix(257, mix(mix(before, after), amount)));
  // Beside another number: "978 555 0101".
  add(mix(258, mix(at > 0 ? pieces[at - 1]!.short : 0, mix(before, own.short))));
  add(mix(259, mix(at + 1 < size ? pieces[at + 1]!.short : 0, mix(after, own.short))));
  const previous = at > 0 ? pieces[at - 1]! : undefined;
  const kind =
    previous === undefined
      ? 0
      : previous.digits > 0
        ? 1
        : previous.text === previous.text.toUpperCase()
          ? 2
          : previous.text[0] === previous.text[0]!.toUpperCase()
            ? 3
            : 4;
  add(mix(260, mix(kind, self)));
  add(mix(261, mix(kind, mix(amount, before))));
  return n;
}

export interface NumberModel {
  readonly weights: Int8Array;
  readonly scale: number;
}
let loaded: NumberModel | undefined;
export function loadNumberModel(): NumberModel {
  if (loaded) return loaded;
  const bytes = gunzipSync(readModel(NUMBER_MODEL));
  loaded = { scale: bytes.readFloatLE(0), weights: new Int8Array(bytes.subarray(4)) };
  return loaded;
}

/** Numbers with signs between that are no date of any kind: `20/40`, `1.2.3`. */
function isNoDate(text: string): boolean {
  if (/^\d{1,3}[-/.]\d{1,3}$/.test(text)) return pairOf(text) < 2;
  return /^\d(?:\.\d{1,3}){2,}$/.test(text);
}

/** Pieces with digits that the weights take for personal, in a row as one. */
export function numberFinds(
  text: string,
  model: NumberModel = loadNumberModel(),
  threshold = THRESHOLD,
): Found[] {
  const pieces = piecesOf(text);
  const labels = labelsOf(text, pieces);
  const rows = new Int32Array(NUMBER_FEATURES_MAX);
  const scores = new Float64Array(CLASSES);
  const found: Found[] = [];
  for (let at = 0; at < pieces.length; at++) {
    const piece = pieces[at]!;
    if (piece.digits === 0) continue;
    const count = numberFeatures(text, pieces, labels, at, rows);
    scores.fill(0);
    for (let f = 0; f < count; f++)
      for (let c = 0; c < CLASSES; c++) scores[c] = scores[c]! + model.weights[rows[f]! * CLASSES + c]!;
    let total = 0;
    for (let c = 0; c < CLASSES; c++) {
      scores[c] = Math.exp(Math.min(60, scores[c]! * model.scale));
      total += scores[c]!;
    }
    if (1 - scores[0]! / total < threshold || isNoDate(piece.text)) continue;
    let best = 1;
    for (let c = 2; c < CLASSES; c++) if (scores[c]! > scores[best]!) best = c;
    const kind = NUMBER_CLASSES[best] as 'date' | 'phone' | 'id' | 'address';
    const last = found.at(-1);
    const joined =
      last !== undefined &&
      last.kind === kind &&
      /^[ ()]{1,2}[.-]?$|^[.-][ ]?$/.test(text.slice(last.end, piece.start));
    if (joined) found.pop();
    found.push({
      start: joined ? last.start : piece.start,
      end: piece.end,
      kind,
      score: 0.6,
      rule: 'number-model',
    });
  }
  return found;
}
