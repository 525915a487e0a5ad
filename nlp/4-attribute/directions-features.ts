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

/**
 * Features of each token of a region, as hashes: the words around it, what the rules say of it and of its neighbours,
 * and where it stands to the drugs.
 */
export function directionFeatures(
  tokens: readonly Token[],
  drugs: readonly Span[],
  finds: readonly RuleFind[],
): Int32Array[] {
  const n = tokens.length;
  const ids = tokens.map(({ norm }) => hashString(foldDigits(norm)));
  const shapes = tokens.map(({ text }) => hashString(shapeOf(text, true)));
  const inDrug = new Int32Array(n).fill(-1);
  const mark = new Int32Array(n);
  const whole = new Int32Array(n);
  tokens.forEach((token, t) => {
    drugs.forEach((drug, d) => {
      if (token.start < drug.end && drug.start < token.end) inDrug[t] = d;
    });
  });
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
  const word = (t: number): number => (t < 0 ? 1 : t >= n ? 2 : inDrug[t]! >= 0 ? 3 : ids[t]!);
  const marked = (t: number): number => (t < 0 || t >= n ? 99 : inDrug[t]! >= 0 ? 98 : mark[t]!);
  let depth = 0;
  const many = Math.min(drugs.length, 4);
  return tokens.map((token, t) => {
    if (token.text === '(' || token.text === '[') depth++;
    const out: number[] = [];
    const put = (template: number, value: number): void => {
      out.push(mix(template, value));
    };
    const id = ids[t]!;
    put(1, 0);
    put(2, word(t));
    put(3, shapes[t]!);
    for (let o = 1; o <= 3; o++) {
      put(10 + o, word(t - o));
      put(20 + o, word(t + o));
    }
    for (let o = 4; o <= 6; o++) {
      put(14, word(t - o));
      put(24, word(t + o));
    }
    put(30, mix(word(t - 1), word(t)));
    put(31, mix(word(t), word(t + 1)));
    put(32, mix(word(t - 2), word(t - 1)));
    put(33, mix(word(t + 1), word(t + 2)));
    put(34, mix(word(t - 1), word(t + 1)));
    const folded = foldDigits(token.norm);
    if (folded.length > 4 && /[a-z]/.test(folded)) {
      put(40, hashString(folded, folded.length - 3));
      put(41, hashString(folded, folded.length - 4));
      put(42, hashString(folded, 0, 4));
      put(43, hashString(folded, 0, 6));
    }
    const m = mark[t]!;
    put(50, m);
    put(51, marked(t - 1));
    put(52, marked(t + 1));
    put(53, mix(m, marked(t + 1)));
    put(54, mix(m, marked(t - 1)));
    if (m !== 0) {
      put(55, mix(m, id));
      put(56, mix(m, word(t - 1)));
      put(57, mix(m, word(t + 1)));
      put(58, whole[t]!);
    }
    const dl = left[t]! < 0 ? 9 : distance(t - left[t]!);
    const dr = right[t]! < 0 ? 9 : distance(right[t]! - t);
    const drug = inDrug[t]! >= 0 ? 1 : 0;
    put(60, mix(drug, dl));
    put(61, mix(drug, dr));
    put(62, mix(m, dl));
    put(63, mix(m, dr));
    put(64, mix(mix(m, dl), dr));
    put(65, mix(id, dl));
    put(66, mix(id, dr));
    put(67, mix(m, many));
    if (dr <= 4) {
      let between = dr;
      for (let i = t + 1; i < right[t]!; i++) between = mix(between, ids[i]!);
      put(70, between);
      put(71, mix(between, m));
    }
    if (dl <= 4) {
      let between = dl;
      for (let i = left[t]! + 1; i < t; i++) between = mix(between, ids[i]!);
      put(72, between);
      put(73, mix(between, m));
    }
    put(74, mix(depth > 0 ? 1 : 0, m));
    if (t === 0) put(75, shapes[t]!);
    if ((token.text === ')' || token.text === ']') && depth > 0) depth--;
    return Int32Array.from(out);
  });
}
