import { hashString, mix } from '../2-mention/hash.js';
import { foldDigits, shapeOf } from '../2-mention/words.js';
import type { AttributeType, Span, Token } from '../model.js';

/** What the model finds, by number of its type. */
export const LEARNED_TYPES = ['dose', 'route', 'frequency', 'duration'] as const;
export type LearnedType = (typeof LEARNED_TYPES)[number];
/** Labels of the chain: see `2-mention/crf.ts`. */
export const LABELS = 2 * LEARNED_TYPES.length + 1;

/** What the rules say of a stretch of text: a feature of the model. */
export interface RuleFind extends Span {
  readonly type: AttributeType;
  readonly owned: boolean;
}

const MARK_OF: Readonly<Partial<Record<AttributeType, number>>> = {
  strength: 1,
  dose: 1,
  route: 2,
  frequency: 3,
  duration: 4,
  form: 5,
  prn: 6,
  reason: 7,
};

/** Distances in tokens, the far ones alike. */
function distance(tokens: number): number {
  return tokens <= 4 ? tokens : tokens <= 6 ? 5 : tokens <= 9 ? 6 : tokens <= 14 ? 7 : 8;
}

/** Features of the tokens of one region after another in one growing list: no array per token. */
export class FeatureRows {
  values = new Int32Array(4096);
  /** Where the features of each token end. */
  ends = new Int32Array(256);
  /** Tokens. */
  length = 0;

  /** Makes room for a region. A token has fewer than `MOST_FEATURES`. */
  reset(tokens: number): void {
    this.length = tokens;
    if (tokens > this.ends.length) this.ends = new Int32Array(tokens * 2);
    if (tokens * MOST_FEATURES > this.values.length) this.values = new Int32Array(tokens * 2 * MOST_FEATURES);
  }

  /** A list of its own for each token. */
  split(): Int32Array[] {
    return Array.from({ length: this.length }, (_, t) =>
      this.values.slice(t === 0 ? 0 : this.ends[t - 1], this.ends[t]),
    );
  }
}

const MOST_FEATURES = 64;

/**
 * Features of each token of a region, as hashes: the words around it, what the rules say of it and of its neighbours,
 * and where it stands to the drugs.
 */
export function directionFeatures(
  tokens: readonly Token[],
  drugs: readonly Span[],
  finds: readonly RuleFind[],
  rows = new FeatureRows(),
): FeatureRows {
  const n = tokens.length;
  rows.reset(n);
  const folded = tokens.map(({ norm }) => foldDigits(norm));
  const shapes = new Int32Array(n);
  const inDrug = new Int32Array(n).fill(-1);
  // What stands at each place as its neighbours see it, with places before and after the text.
  const words = new Int32Array(n + 2 * AROUND);
  words.fill(1, 0, AROUND);
  words.fill(2, AROUND + n);
  const ids = new Int32Array(n);
  for (let t = 0; t < n; t++) {
    const { text, start, end } = tokens[t]!;
    ids[t] = hashString(folded[t]!);
    shapes[t] = hashString(shapeOf(text, true));
    for (let d = 0; d < drugs.length; d++) if (start < drugs[d]!.end && drugs[d]!.start < end) inDrug[t] = d;
    words[t + AROUND] = inDrug[t]! >= 0 ? 3 : ids[t]!;
  }
  const { mark, whole } = marksOf(tokens, finds, ids);
  const { left, right } = sidesOf(inDrug);
  const marked = (t: number): number => (t < 0 || t >= n ? 99 : inDrug[t]! >= 0 ? 98 : mark[t]!);
  let depth = 0;
  const many = Math.min(drugs.length, 4);
  const out = rows.values;
  let k = 0;
  for (let t = 0; t < n; t++) {
    const { text } = tokens[t]!;
    if (text === '(' || text === '[') depth++;
    const id = ids[t]!;
    const at = t + AROUND;
    const word = words[at]!;
    out[k++] = mix(1, 0);
    out[k++] = mix(2, word);
    out[k++] = mix(3, shapes[t]!);
    for (let o = 1; o <= 3; o++) {
      out[k++] = mix(10 + o, words[at - o]!);
      out[k++] = mix(20 + o, words[at + o]!);
    }
    for (let o = 4; o <= 6; o++) {
      out[k++] = mix(14, words[at - o]!);
      out[k++] = mix(24, words[at + o]!);
    }
    out[k++] = mix(30, mix(words[at - 1]!, word));
    out[k++] = mix(31, mix(word, words[at + 1]!));
    out[k++] = mix(32, mix(words[at - 2]!, words[at - 1]!));
    out[k++] = mix(33, mix(words[at + 1]!, words[at + 2]!));
    out[k++] = mix(34, mix(words[at - 1]!, words[at + 1]!));
    const name = folded[t]!;
    if (name.length > 4 && /[a-z]/.test(name)) {
      out[k++] = mix(40, hashString(name, name.length - 3));
      out[k++] = mix(41, hashString(name, name.length - 4));
      out[k++] = mix(42, hashString(name, 0, 4));
      out[k++] = mix(43, hashString(name, 0, 6));
    }
    const m = mark[t]!;
    out[k++] = mix(50, m);
    out[k++] = mix(51, marked(t - 1));
    out[k++] = mix(52, marked(t + 1));
    out[k++] = mix(53, mix(m, marked(t + 1)));
    out[k++] = mix(54, mix(m, marked(t - 1)));
    if (m !== 0) {
      out[k++] = mix(55, mix(m, id));
      out[k++] = mix(56, mix(m, words[at - 1]!));
      out[k++] = mix(57, mix(m, words[at + 1]!));
      out[k++] = mix(58, whole[t]!);
    }
    const dl = left[t]! < 0 ? 9 : distance(t - left[t]!);
    const dr = right[t]! < 0 ? 9 : distance(right[t]! - t);
    const drug = inDrug[t]! >= 0 ? 1 : 0;
    out[k++] = mix(60, mix(drug, dl));
    out[k++] = mix(61, mix(drug, dr));
    out[k++] = mix(62, mix(m, dl));
    out[k++] = mix(63, mix(m, dr));
    out[k++] = mix(64, mix(mix(m, dl), dr));
    out[k++] = mix(65, mix(id, dl));
    out[k++] = mix(66, mix(id, dr));
    out[k++] = mix(67, mix(m, many));
    if (dr <= 4) {
      let between = dr;
      for (let i = t + 1; i < right[t]!; i++) between = mix(between, ids[i]!);
      out[k++] = mix(70, between);
      out[k++] = mix(71, mix(between, m));
    }
    if (dl <= 4) {
      let between = dl;
      for (let i = left[t]! + 1; i < t; i++) between = mix(between, ids[i]!);
      out[k++] = mix(72, between);
      out[k++] = mix(73, mix(between, m));
    }
    out[k++] = mix(74, mix(depth > 0 ? 1 : 0, m));
    if (t === 0) out[k++] = mix(75, shapes[t]!);
    if ((text === ')' || text === ']') && depth > 0) depth--;
    rows.ends[t] = k;
  }
  return rows;
}

/** Places before the first word that its features look at. */
const AROUND = 6;

/** What the rules say of each token: the kind of its find with begun and owned, and all words of the find. */
function marksOf(
  tokens: readonly Token[],
  finds: readonly RuleFind[],
  ids: Int32Array,
): { mark: Int32Array; whole: Int32Array } {
  const n = tokens.length;
  const mark = new Int32Array(n);
  const whole = new Int32Array(n);
  for (const find of finds) {
    const kind = MARK_OF[find.type];
    if (kind === undefined) continue;
    let begun = false;
    let text = kind;
    const inside: number[] = [];
    for (let t = 0; t < n; t++) {
      if (tokens[t]!.start >= find.end || tokens[t]!.end <= find.start) continue;
      // Two finds of one token ("1 tablet" and its form): the first stands.
      if (mark[t] !== 0) continue;
      mark[t] = kind * 4 + (begun ? 1 : 0) + (find.owned ? 2 : 0);
      begun = true;
      text = mix(text, ids[t]!);
      inside.push(t);
    }
    for (const t of inside) whole[t] = text;
  }
  return { mark, whole };
}

/** Of each token the nearest token of a drug before and after it, -1 without. */
function sidesOf(inDrug: Int32Array): { left: Int32Array; right: Int32Array } {
  const n = inDrug.length;
  const left = new Int32Array(n).fill(-1);
  const right = new Int32Array(n).fill(-1);
  for (let t = 0, last = -1; t < n; t++) {
    left[t] = last;
    if (inDrug[t]! >= 0) last = t;
  }
  for (let t = n - 1, next = -1; t >= 0; t--) {
    right[t] = next;
    if (inDrug[t]! >= 0) next = t;
  }
  return { left, right };
}
