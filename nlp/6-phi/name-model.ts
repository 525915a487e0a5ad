import { gunzipSync } from 'node:zlib';
import { hashString, mix } from '../2-mention/hash.js';
import { loadLexicon } from '../2-mention/lexicon.js';
import { loadTagger } from '../2-mention/tagger.js';
import type { Span } from '../model.js';
import { readModel } from '../rules/load.js';
import { FAMILY, type Found, GIVEN, ORDINARY, phiRules, wordSet } from './rules.js';
import { censusNames, firstFrom, inside, type Word } from './words.js';

/** What a word with a capital can be: nothing personal, or part of a person's, an organisation's or a place's name. */
export const NAME_CLASSES = ['none', 'name', 'organisation', 'address'] as const;
export const PHI_MODEL = 'phi-names.bin.gz';
const CLASSES = NAME_CLASSES.length;
/** Hashes of features fall into so many rows of weights. */
export const ROWS = 1 << 16;
/** A word is hidden from this probability on; measured on notes that the weights had not seen. */
const THRESHOLD = 0.6;

const notNames = wordSet(phiRules.notNames);
const titles = wordSet(phiRules.titles.map((row) => row.words.replaceAll('.', '')).join(' '));
const relations = wordSet(phiRules.relations);
const credentials = wordSet(phiRules.credentials.join(' ').replaceAll('.', ''));
const organisationWords = wordSet(phiRules.organisationEnds);
const streetWords = wordSet(phiRules.streets);
const generic = wordSet(phiRules.organisationGeneric);
const stateWords = wordSet(`${phiRules.stateNames}|${phiRules.countries}|${phiRules.states}`);
const particles = wordSet(phiRules.particles);

/** How common a word is in clinical text, and in which lists of names and of cues it stands, as one number. */
const kinds = new Map<string, number>();
const KINDS_MAX = 20_000;

function vocabulary(lower: string): number {
  const plain = lower.normalize('NFKD').replace(/\p{M}/gu, '');
  const frequency = loadTagger().frequencyClass(plain);
  const common = frequency === 0 ? 0 : frequency < 4 ? 1 : frequency < 7 ? 2 : 3;
  const { given, family } = censusNames();
  const rank = family.get(plain);
  const surname = rank === undefined ? 0 : rank < 2000 ? 2 : 1;
  const first = GIVEN.has(plain) || (given.get(plain) ?? 9999) < 600 ? 2 : given.has(plain) ? 1 : 0;
  return (
    common |
    ((loadLexicon().wordNumber(plain) >= 0 ? 1 : 0) << 2) |
    (Math.max(surname, FAMILY.has(plain) ? 2 : 0) << 3) |
    (first << 5) |
    ((ORDINARY.has(plain) ? 1 : 0) << 7)
  );
}

function roles(lower: string): number {
  return (
    (notNames.has(lower) ? 1 : 0) |
    (titles.has(lower) ? 2 : 0) |
    (relations.has(lower) ? 4 : 0) |
    (credentials.has(lower) ? 8 : 0) |
    (organisationWords.has(lower) ? 16 : 0) |
    (streetWords.has(lower) ? 32 : 0) |
    (stateWords.has(lower) ? 64 : 0) |
    (particles.has(lower) ? 128 : 0)
  );
}

function kindOf(lower: string): number {
  let kind = kinds.get(lower);
  if (kind !== undefined) return kind;
  const parts = lower.split(/[-']/).filter((part) => part.length > 1);
  // Of "Mbeki-Roux" the part that medicine knows least tells most.
  const whole = vocabulary(lower);
  const least = parts.length > 1 ? parts.map(vocabulary).sort((a, b) => (a & 7) - (b & 7))[0]! : whole;
  kind = (parts.length > 1 ? least : whole) | (roles(lower) << 8);
  if (kinds.size >= KINDS_MAX) kinds.clear();
  kinds.set(lower, kind);
  return kind;
}

/** Lower, Title, CAPITALS, one letter, mixed. */
function shapeOf({ text, capital, initial }: Word): number {
  if (initial) return 3;
  if (!capital) return text === text.toLowerCase() ? 0 : 4;
  if (text === text.toUpperCase()) return text.length <= 3 ? 6 : 2;
  return /^\p{Lu}[\p{Ll}\p{M}]+$/u.test(text) ? 1 : /[-'’]/.test(text) ? 5 : 4;
}

/** What stands between two words: a line's end, digits, or its last sign. */
function gapOf(text: string, from: number, to: number): number {
  if (to - from === 1 && text[from] === ' ') return 1;
  const gap = text.slice(Math.max(from, to - 12), to);
  if (to - from > 12) return text.slice(from, to).includes('\n') ? 2 : 3;
  if (gap.includes('\n')) return 2;
  if (/\d/.test(gap)) return gap.includes('/') ? 4 : 5;
  const sign = gap.trim().at(-1);
  return sign === undefined ? 6 : 16 + sign.charCodeAt(0);
}

const isRunGap = (gap: number): boolean => gap === 1;

/** Words of a text with what their features are made of. */
export interface Prepared {
  readonly words: readonly Word[];
  readonly hash: Int32Array;
  readonly kind: Int32Array;
  readonly shape: Uint8Array;
  /** Gap before each word; one more at the end. */
  readonly gap: Int32Array;
  /** Hash of the label before a colon on the word's line and how far the word is behind it. */
  readonly label: Int32Array;
  /** Steps of how many words of the line have capitals. */
  readonly line: Uint8Array;
  readonly lowerCase: ReadonlySet<string>;
  readonly clinical: readonly Span[];
}

export function prepareNames(text: string, words: readonly Word[], clinical: readonly Span[]): Prepared {
  const size = words.length;
  const hash = new Int32Array(size);
  const kind = new Int32Array(size);
  const shape = new Uint8Array(size);
  const gap = new Int32Array(size + 1).fill(2);
  const label = new Int32Array(size);
  const line = new Uint8Array(size);
  const lowerCase = new Set<string>();
  let labelHash = 0;
  let since = 0;
  let lineFrom = 0;
  let capitals = 0;
  const endLine = (to: number): void => {
    const share = Math.min(4, Math.floor((capitals * 5) / Math.max(1, to - lineFrom)));
    const length = to - lineFrom < 4 ? 0 : to - lineFrom < 9 ? 1 : 2;
    line.fill(share * 3 + length, lineFrom, to);
    lineFrom = to;
    capitals = 0;
  };
  for (let i = 0; i < size; i++) {
    const word = words[i]!;
    hash[i] = hashString(word.lower);
    kind[i] = kindOf(word.lower);
    shape[i] = shapeOf(word);
    if (shape[i] === 0) lowerCase.add(word.lower);
    const from = i === 0 ? 0 : words[i - 1]!.end;
    if (i > 0) gap[i] = gapOf(text, from, word.start);
    const between = gap[i] === 1 ? ' ' : text.slice(Math.max(from, word.start - 12), word.start);
    if (between.includes('\n')) {
      if (i > 0) endLine(i);
      labelHash = 0;
    }
    if (/:[ \t]*["'“(]?$/.test(between) && i > 0) {
      labelHash = hash[i - 1]!;
      since = 0;
    } else if (/[.;]/.test(between)) since += 2;
    label[i] = labelHash === 0 || since > 3 ? 0 : mix(labelHash, since);
    since++;
    if (word.capital) capitals++;
  }
  endLine(size);
  return { words, hash, kind, shape, gap, label, line, lowerCase, clinical };
}

/** Whether a word can be part of a name: with a capital, or a given name that medicine does not know. */
export function mayBeName({ words, kind, shape }: Prepared, at: number): boolean {
  if (shape[at] !== 0) return !(words[at]!.initial && !words[at]!.capital);
  const k = kind[at]!;
  return (k & 7) === 0 && ((k >> 5) & 3) > 0 && words[at]!.text.length > 2;
}

/** Rows of the features of one word, written into `rows`; how many. */
export function nameFeatures(p: Prepared, at: number, rows: Int32Array): number {
  const { words, hash, kind, shape, gap } = p;
  const word = words[at]!;
  const size = words.length;
  let n = 0;
  const add = (value: number): void => {
    rows[n++] = (value >>> 0) & (ROWS - 1);
  };
  const own = kind[at]!;
  const ownShape = shape[at]!;
  const self = mix(own, ownShape);
  const small = mix(own & 0xff7f, ownShape);
  const before = gap[at]!;
  const after = gap[at + 1]!;
  const start = before === 2 || before === 16 + 46 || before === 16 + 63 || before === 16 + 33;
  const before1 = at > 0 ? hash[at - 1]! : 1;
  const before2 = at > 1 ? hash[at - 2]! : 2;
  const after1 = at + 1 < size ? hash[at + 1]! : 3;
  const after2 = at + 2 < size ? hash[at + 2]! : 4;
  const kindBefore = at > 0 ? mix(kind[at - 1]!, shape[at - 1]!) : 5;
  const kindAfter = at + 1 < size ? mix(kind[at + 1]!, shape[at + 1]!) : 6;
  add(101);
  add(mix(102, self));
  add(mix(103, mix(self, start ? 1 : 0)));
  add(mix(104, mix(own, p.line[at]! * 8 + ownShape)));
  add(mix(105, mix(hash[at]!, ownShape)));
  add(mix(106, hash[at]!));
  add(mix(107, mix(ownShape, Math.min(12, word.text.length) * 2 + (start ? 1 : 0))));
  const lower = word.lower;
  const common = own & 7;
  for (let k = 2; k <= 4; k++) {
    if (lower.length <= k) break;
    add(mix(110 + k, mix(hashString(lower, lower.length - k), common)));
    add(mix(120 + k, mix(hashString(lower, 0, k), common)));
  }
  add(mix(130, mix(before1, before)));
  add(mix(131, mix(before1, small)));
  add(mix(132, mix(before1, common * 8 + ownShape)));
  add(mix(133, mix(mix(before2, before1), ownShape)));
  add(mix(134, mix(mix(kindBefore, before), small)));
  add(mix(135, mix(mix(kindBefore, before), ownShape)));
  add(mix(140, mix(after1, after)));
  add(mix(141, mix(after1, small)));
  add(mix(142, mix(after1, common * 8 + ownShape)));
  add(mix(143, mix(mix(after1, after2), ownShape)));
  add(mix(144, mix(mix(kindAfter, after), small)));
  add(mix(145, mix(mix(kindAfter, after), ownShape)));
  add(mix(146, mix(mix(before, after), small)));
  add(mix(147, mix(before, after)));
  add(mix(150, mix(p.label[at]!, ownShape)));
  add(mix(151, mix(p.label[at]!, common)));
  // The run of words with capitals that it stands in: what goes before it, what ends it, how long it is.
  let first = at;
  while (first > 0 && at - first < 4 && isRunGap(gap[first]!) && words[first - 1]!.capital) first--;
  let last = at;
  while (last + 1 < size && last - at < 4 && isRunGap(gap[last + 1]!) && words[last + 1]!.capital) last++;
  add(mix(160, mix(first > 0 ? hash[first - 1]! : 7, common * 8 + ownShape)));
  add(mix(161, mix(last + 1 < size ? hash[last + 1]! : 8, common * 8 + ownShape)));
  add(mix(162, mix(hash[last]!, at === last ? 1 : 0)));
  add(mix(163, mix(kind[last]!, at === last ? 1 : 0)));
  add(mix(164, mix(last - first, mix(at - first, common * 8 + ownShape))));
  add(mix(165, mix(kind[first]!, mix(at === first ? 1 : 0, last - first))));
  add(mix(166, mix(gap[first]!, mix(gap[last + 1]!, common * 8 + ownShape))));
  let unknown = 0;
  for (let i = first; i <= last; i++) if ((kind[i]! & 7) === 0) unknown++;
  add(mix(167, mix(unknown, mix(last - first, common))));
  add(mix(170, mix(p.lowerCase.has(lower) ? 1 : 0, mix(common, ownShape))));
  add(mix(171, mix(inside(p.clinical, word) ? 1 : 0, small)));
  return n;
}
export const FEATURES_MAX = 64;

export interface NameModel {
  /** ROWS × classes. */
  readonly weights: Int8Array;
  readonly scale: number;
}

let loaded: NameModel | undefined;
export function loadNameModel(): NameModel {
  if (loaded) return loaded;
  const bytes = gunzipSync(readModel(PHI_MODEL));
  loaded = { scale: bytes.readFloatLE(0), weights: new Int8Array(bytes.subarray(4)) };
  return loaded;
}

/** Probabilities of the classes for one word, into `into`. */
export function scoreName(model: NameModel, rows: Int32Array, count: number, into: Float64Array): void {
  into.fill(0);
  for (let f = 0; f < count; f++)
    for (let c = 0; c < CLASSES; c++) into[c] = into[c]! + model.weights[rows[f]! * CLASSES + c]!;
  let total = 0;
  for (let c = 0; c < CLASSES; c++) {
    into[c] = Math.exp(Math.min(60, into[c]! * model.scale));
    total += into[c]!;
  }
  for (let c = 0; c < CLASSES; c++) into[c] = into[c]! / total;
}

/** Words of a text as the weights see them. */
export interface Judged {
  /** The probability that the word is nothing personal; 1 where it was not looked at. */
  readonly none: Float64Array;
  /** Words × classes. */
  readonly scores: Float64Array;
}

export function judgeWords(
  text: string,
  words: readonly Word[],
  clinical: readonly Span[],
  model: NameModel = loadNameModel(),
): Judged {
  const prepared = prepareNames(text, words, clinical);
  const rows = new Int32Array(FEATURES_MAX);
  const one = new Float64Array(CLASSES);
  const scores = new Float64Array(words.length * CLASSES);
  const none = new Float64Array(words.length).fill(1);
  for (let at = 0; at < words.length; at++) {
    if (!mayBeName(prepared, at)) continue;
    scoreName(model, rows, nameFeatures(prepared, at, rows), one);
    scores.set(one, at * CLASSES);
    none[at] = one[0]!;
  }
  return { none, scores };
}

/** A word without a capital must be surer. */
const SMALL = 0.9;
/** Between words of one name: "St. Mary", "Sunrise of Kennebunk". */
const JOINT = /^(?:[ ]|\.[ ]?|[ ](?:of|and|&|de|du|del|la|van|von)[ ])$/;
/** A word with a capital in the same run as a place's or an organisation's name belongs to it unless it is surely none. */
const SURELY_NONE = 0.97;

/** Words that the weights take for part of a name, in a row as one. */
export function modelFinds(
  text: string,
  words: readonly Word[],
  { none, scores }: Judged,
  threshold = THRESHOLD,
): Found[] {
  const found: Found[] = [];
  for (let at = 0; at < words.length; at++) {
    if (1 - none[at]! < (words[at]!.capital ? threshold : SMALL)) continue;
    const sums = new Float64Array(CLASSES);
    let first = at;
    let last = at;
    const joins = (i: number): boolean =>
      i + 1 < words.length &&
      words[i + 1]!.start - words[i]!.end <= 6 &&
      JOINT.test(text.slice(words[i]!.end, words[i + 1]!.start));
    for (let i = at; i < words.length; i++) {
      for (let c = 1; c < CLASSES; c++) sums[c] = sums[c]! + scores[i * CLASSES + c]!;
      last = i;
      if (joins(i) && 1 - none[i + 1]! >= threshold) continue;
      // "Sunrise of Kennebunk", "van der Berg": over a small word between.
      if (
        i + 2 < words.length &&
        !words[i + 1]!.capital &&
        words[i + 2]!.start - words[i]!.end <= 8 &&
        JOINT.test(text.slice(words[i]!.end, words[i + 2]!.start)) &&
        1 - none[i + 2]! >= threshold
      ) {
        i++;
        continue;
      }
      break;
    }
    let best = 1;
    for (let c = 2; c < CLASSES; c++) if (sums[c]! > sums[best]!) best = c;
    const kind = NAME_CLASSES[best] as 'name' | 'organisation' | 'address';
    at = last;
    if (isGeneric(words, first, last)) continue;
    if (kind !== 'name') {
      const belongs = (i: number): boolean =>
        words[i]!.capital && !words[i]!.initial && none[i]! < SURELY_NONE;
      while (joins(last) && belongs(last + 1)) last++;
      while (
        first > 0 &&
        text.slice(words[first - 1]!.end, words[first]!.start) === ' ' &&
        belongs(first - 1) &&
        first > 0
      )
        first--;
      // "City of Waukesha", "LifeNet 4".
      if (
        first > 1 &&
        / of $/.test(text.slice(words[first - 2]!.end, words[first]!.start)) &&
        words[first - 2]!.capital
      )
        first -= 2;
    }
    const number =
      kind === 'organisation'
        ? /^[ ]\d{1,3}(?![\w%/.]|[ ][a-z])/.exec(text.slice(words[last]!.end, words[last]!.end + 8))
        : null;
    const end = words[last]!.end + (number ? number[0].length : 0);
    found.push({ start: words[first]!.start, end, kind, score: 0.65, rule: 'name-model' });
    at = Math.max(at, last);
  }
  return found;
}

/** Only words that any clinic or place has: "the Hospital", "Inpatient"; or a short form in capitals. */
function isGeneric(words: readonly Word[], first: number, last: number): boolean {
  for (let at = first; at <= last; at++) {
    const { lower } = words[at]!;
    const plain =
      generic.has(lower) || organisationWords.has(lower) || notNames.has(lower) || stateWords.has(lower);
    if (!plain && !particles.has(lower)) return false;
  }
  return true;
}

/** What weak rules found and the weights hold for nothing personal: "Bruce protocol", "Agency RN". */
const WEAK = 0.84;
const WEAK_RULE = /^(?:credential:|title:[A-Z]{2}$)/;
const VETO = 0.9;

export function isRefused(found: Found, words: readonly Word[], { none }: Judged): boolean {
  if (found.score >= WEAK && !WEAK_RULE.test(found.rule)) return false;
  for (let at = firstFrom(words, found.start); at < words.length && words[at]!.start < found.end; at++)
    if (none[at]! < VETO) return false;
  return true;
}
