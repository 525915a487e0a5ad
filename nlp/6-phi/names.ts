import { loadLexicon } from '../2-mention/lexicon.js';
import type { Span } from '../model.js';
import { isRefused, judgeWords, modelFinds } from './name-model.js';
import { alternation, FAMILY, type Found, GIVEN, ORDINARY, phiRules, wordSet } from './rules.js';
import { isUnknownWord } from './unknown-names.js';
import { clinicalSpans, firstFrom, inside, type Word, wordsOf } from './words.js';

const notNames = wordSet(phiRules.notNames);
const particles = wordSet(phiRules.particles);
const titles = new Set(phiRules.titles.flatMap((row) => row.words.split(' ')));
const relations = wordSet(phiRules.relations);
const labelWords = phiRules.nameLabels.flatMap((row) => row.words.split('|'));
const LABEL = new RegExp(
  `(?<![A-Za-z])(?:${alternation(labelWords)})[ \\t]{0,2}(?:name)?[ \\t]{0,2}(?::|=|\\t)[ \\t]{0,8}`,
  'gi',
);
/** Labels that stand without a colon too, since nothing but a person can follow. */
const BARE_LABEL =
  /\b(?:electronically signed by|e-signed by|signed by|dictated by|transcribed by|authored by|Sincerely,|Regards,|[Tt]hanks,|[Tt]hank you,|[Bb]est,|wishes,|Love,|truly,|faithfully,|Dear)[ \t\n\r]{1,4}/gi;
const CREDENTIAL = new RegExp(
  `(?<=[\\p{L}.],?[ ])(?:${alternation(phiRules.credentials)})(?![A-Za-z])`,
  'gu',
);
/** States and countries are larger than what must be hidden. */
/** Titles that the name may touch: `Dr.Abernathy`. */
const JOINED = new Set(['Dr', 'Mr', 'Mrs', 'Ms', 'Prof']);
const stateWords = wordSet(`${phiRules.stateNames}|${phiRules.countries}`);
const MAX_NAME_WORDS = 5;

/** Names of people: after titles, labels and relations, before credentials, by known given names, and again where found. */
export function* nameFinds(text: string): Generator<Found> {
  const words = wordsOf(text);
  const clinical = clinicalSpans(text);
  const judged = judgeWords(text, words, clinical);
  for (const found of ruleFinds(text, words, clinical)) if (!isRefused(found, words, judged)) yield found;
  yield* modelFinds(text, words, judged);
}

/** What rules find without the learned weights. */
export function* ruleFinds(
  text: string,
  words: readonly Word[] = wordsOf(text),
  clinical: readonly Span[] = clinicalSpans(text),
): Generator<Found> {
  const strong: Found[] = [];
  const take = (range: readonly [number, number] | undefined, rule: string, score: number): boolean => {
    if (!range) return false;
    strong.push({ start: words[range[0]]!.start, end: words[range[1]]!.end, kind: 'name', score, rule });
    return true;
  };
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const dotted = text[word.end] === '.' ? `${word.text}.` : word.text;
    if (
      (titles.has(word.text) || titles.has(dotted)) &&
      at + 1 < words.length &&
      isGap(text, word.end, words[at + 1]!.start, JOINED.has(word.text) ? /^\.?[ ]{0,2}$/ : /^\.?[ ]{1,2}$/)
    ) {
      const range = nameFrom(text, words, at + 1, false);
      if (
        range &&
        (word.text.length > 2 ||
          word.text !== word.text.toUpperCase() ||
          dotted.endsWith('.') ||
          FAMILY.has(words[at + 1]!.lower) ||
          // "PA Ruthanne", "SN Achterberg"; never "NP CHEST" or "PA view".
          (text[word.end] === ' ' &&
            words[at + 1]!.text !== words[at + 1]!.text.toUpperCase() &&
            isUnknownWord(words[at + 1]!.lower)))
      )
        take(range, `title:${word.text}`, 0.95);
      continue;
    }
    if (
      relations.has(word.lower) &&
      at + 1 < words.length &&
      isGap(text, word.end, words[at + 1]!.start, /^(?:,? |[ ]\(|[ ]["“‘'])$/)
    ) {
      const next = words[at + 1]!;
      const given = GIVEN.has(next.lower) && next.text !== next.text.toUpperCase();
      // "Carer Blessing": an ordinary word with a capital within a sentence.
      const plain =
        text[word.end] === ' ' &&
        next.text !== next.text.toUpperCase() &&
        word.text === word.lower &&
        !inside(clinical, next) &&
        !isClinicalWord(next.lower);
      const sure =
        plain || word.lower === 'named' || word.lower === 'called' || given || isUnknownWord(next.lower);
      if (next.capital && sure && (given || !notNames.has(next.lower)))
        take(nameFrom(text, words, at + 1, false) ?? [at + 1, at + 1], `relation:${word.lower}`, 0.85);
      continue;
    }
    if (!word.capital || !GIVEN.has(word.lower) || inside(clinical, word)) continue;
    const range = nameFrom(text, words, at, false);
    if (range && range[1] > range[0]) {
      const last = words[range[1]]!;
      const known = FAMILY.has(last.lower) || (!ORDINARY.has(word.lower) && !ORDINARY.has(last.lower));
      if (known && !inside(clinical, last)) {
        take(range, 'given-family', 0.85);
        at = range[1];
        continue;
      }
    }
    if (!ORDINARY.has(word.lower) && word.text !== word.text.toUpperCase() && !FAMILY.has(word.lower))
      take([at, at], 'given', 0.7);
  }
  const index = new Map(words.map((word, at) => [word.start, at]));
  const startAt = (offset: number): number | undefined => index.get(offset);
  for (const expression of [LABEL, BARE_LABEL]) {
    expression.lastIndex = 0;
    for (let match = expression.exec(text); match; match = expression.exec(text)) {
      const at = startAt(match.index + match[0].length);
      if (at === undefined) continue;
      const skip = titles.has(words[at]!.text) || titles.has(`${words[at]!.text}.`) ? at + 1 : at;
      if (skip < words.length) take(nameFrom(text, words, skip, true), 'label', 0.95);
    }
  }
  CREDENTIAL.lastIndex = 0;
  const ends = new Map(words.map((word, at) => [word.end, at]));
  for (let match = CREDENTIAL.exec(text); match; match = CREDENTIAL.exec(text)) {
    let end = match.index - 1;
    if (text[end - 1] === ',') end--;
    else if (
      /^(?:PA|NP|DO)$/.test(match[0]) &&
      !/^[\s,.;)]|^$/.test(text.slice(match.index + match[0].length, match.index + match[0].length + 1))
    )
      continue;
    const at = ends.get(end);
    if (at !== undefined) take(nameBefore(text, words, at), `credential:${match[0]}`, 0.93);
  }
  for (let at = 0; at < words.length; at++) {
    const range = unknownFrom(text, words, at, clinical);
    if (!range) continue;
    take(range, 'unknown-words', 0.82);
    at = range[1];
  }
  const hyphenated = new RegExp(HYPHENATED, 'gu');
  for (let match = hyphenated.exec(text); match; match = hyphenated.exec(text)) {
    const at = startAt(match.index);
    if (at === undefined || inside(clinical, words[at]!)) continue;
    // "Mbeki-Roux": one part is enough to tell that it is no term.
    if (isProduct(text, words, at)) continue;
    if (!words[at]!.lower.split('-').some((part) => isUnknownWord(part))) continue;
    let from = at;
    while (
      from > 0 &&
      words[from - 1]!.initial &&
      /^\.[ ]?$/.test(text.slice(words[from - 1]!.end, words[from]!.start))
    )
      from--;
    take([from, at], 'hyphenated', 0.82);
  }
  // In reports of operations a lone unknown name is that of an instrument.
  const operative = OPERATIVE.test(text);
  for (let at = 0; at < words.length && !operative; at++)
    if (standsAlone(text, words, at, clinical)) take(withNeighbours(text, words, at), 'unknown-word', 0.72);
  // "Philomena (Mena)": what she is called.
  for (const found of [...strong]) {
    const at = startAt(found.end + 2);
    const called = at === undefined ? undefined : words[at]!;
    if (called?.capital && text.startsWith(' (', found.end) && text[called.end] === ')' && isNameWord(called))
      take([at!, at!], 'called', 0.8);
  }
  yield* strong;
  yield* again(words, strong, clinical);
}

/**
 * Two or more words in a row that no text of medicine has, or an initial and one, written with capitals: "Priscilla
 * Nakagawa", "J. Delacroix", "KOSTOPOULOS, NIKO". Of words in capitals, at the beginning of a line only.
 */
function unknownFrom(
  text: string,
  words: readonly Word[],
  at: number,
  clinical: readonly Span[],
): [number, number] | undefined {
  const first = words[at]!;
  const counts = (word: Word): boolean =>
    word.capital && !word.initial && isUnknownWord(word.lower) && !inside(clinical, word);
  const initial = first.initial && text[first.end] === '.';
  if (!initial && !counts(first)) return undefined;
  const lineStart = first.start === 0 || text[first.start - 1] === '\n';
  if (!initial && !lineStart && first.text === first.text.toUpperCase()) return undefined;
  const range = nameFrom(text, words, at, lineStart && !initial);
  if (!range) return undefined;
  let last = range[1];
  while (last > at && !counts(words[last]!)) last--;
  // "N/V. PMH" is no person.
  if (initial && words[last]!.text === words[last]!.text.toUpperCase()) return undefined;
  let names = initial ? 1 : 0;
  for (let i = at; i <= last; i++) if (counts(words[i]!)) names++;
  return last > at && names > 1 ? [at, last] : undefined;
}

const HYPHENATED = "(?<![\\p{L}-])\\p{Lu}[\\p{Ll}'’]{2,20}-\\p{Lu}[\\p{Ll}'’]{2,20}(?![\\p{L}-])";
const OPERATIVE = /\b(?:incision|sutures?|trocar|draped|hemostasis)\b/i;
const ALONE_MIN_LENGTH = 4;
const BEFORE_ALONE = /[a-z)][ ]$/;
/** What a person does, right behind a name that opens its sentence. */
const DOES =
  /^(?:['’]s\b|[ ](?:is|was|has|had|came|comes|lives|lived|reports|reported|states|denies|says|said|presents|presented|attended|attends|called|wants|returns|returned|tells|told|continues|slept|felt|went|ate|took|saw|got|made|gave|fell|brought|left|kept|woke|and (?:her|his)|[a-z]{3,12}(?:s|ed)\b|V\.|[A-Z]\.(?= [a-z])))/;

/**
 * One word that no text of medicine has, written with a capital where no sentence begins, or at the beginning of one
 * whose verb a person does: "in Kwaggasrand", "Nokuthula came in today".
 */
function standsAlone(text: string, words: readonly Word[], at: number, clinical: readonly Span[]): boolean {
  const word = words[at]!;
  if (!word.capital || word.text.length < ALONE_MIN_LENGTH || inside(clinical, word)) return false;
  // "MyChart", "AquaCel" and words in capitals are products and short forms.
  if (!/^\p{Lu}[\p{Ll}'’]+$/u.test(word.text)) return false;
  if (!isUnknownWord(word.lower) || stateWords.has(word.lower)) return false;
  if (DOES.test(text.slice(word.end, word.end + 14))) return true;
  return (
    BEFORE_ALONE.test(text.slice(Math.max(0, word.start - 3), word.start)) && !isProduct(text, words, at)
  );
}

const PLACE_BEFORE = wordSet(
  'upper lower great little north south east west new old san santa port fort mount lake saint nether',
);

/** "Upper Quillby", "Xiomara V.": what belongs to a lone name. */
function withNeighbours(text: string, words: readonly Word[], at: number): [number, number] {
  const before = words[at - 1];
  const after = words[at + 1];
  const first =
    before?.capital && PLACE_BEFORE.has(before.lower) && before.end + 1 === words[at]!.start ? at - 1 : at;
  const last = after?.initial && text[after.end] === '.' && after.start === words[at]!.end + 1 ? at + 1 : at;
  return [first, last];
}

/** "using Vicryl", "the Kelly clamp": what one works with, and what it is. */
function isProduct(text: string, words: readonly Word[], at: number): boolean {
  const before = words[at - 1];
  const word = words[at]!;
  return (
    (before !== undefined && USED_WITH.has(before.lower)) ||
    OF_PRODUCT.test(text.slice(word.end, word.end + 16)) ||
    PRODUCTS.test(word.text)
  );
}

const PRODUCTS = /^(?:Steri-Strip|Gore-Tex|Apgar)/;

const USED_WITH = wordSet(
  'the a an straight curved angled sterile modified running using used use via two both underwent through placed with on taking takes took started start continue continued apply applied mg ml mcg dose of a an some brand plan',
);
const OF_PRODUCT =
  /^[ ](?:suture|stent|catheter|device|mesh|screw|plate|graft|dressing|tablet|cream|\d|mg|sign|test|score|scale|syndrome|disease|forceps|retractor|clamp|needle|drain|technique|system|gel|pump|lens|balloon|wire|criteria|classification|rongeurs?|trocar|cannula|scissors|tube|tip|laser|spray|rolls?|bandage|net|osteotome|hook|(?:was|were|is) (?:then )?(?:used|placed|inserted|applied|performed|achieved|introduced|removed|closed))/i;

/** Parts of the names found for sure, wherever they stand again. */
function* again(
  words: readonly Word[],
  strong: readonly Found[],
  clinical: readonly Span[],
): Generator<Found> {
  const parts = new Set<string>();
  for (const found of strong) {
    if (found.score < 0.82) continue;
    for (let at = firstFrom(words, found.start); at < words.length && words[at]!.start < found.end; at++) {
      const word = words[at]!;
      if (word.lower.length > 2 && word.capital && !ORDINARY.has(word.lower) && !particles.has(word.lower))
        parts.add(word.lower);
    }
  }
  for (const word of words)
    if (word.capital && parts.has(word.lower) && !inside(clinical, word))
      yield { start: word.start, end: word.end, kind: 'name', score: 0.8, rule: 'again' };
}

function isGap(text: string, from: number, to: number, shape: RegExp): boolean {
  return to - from <= 6 && shape.test(text.slice(from, to));
}

function isNameWord(word: Word): boolean {
  return word.capital && !notNames.has(word.lower);
}

/**
 * The words of a name from one on, as indices, both inclusive: capitalised words, initials and particles between
 * single blanks, and after a label `Family, Given M.` too.
 */
function nameFrom(
  text: string,
  words: readonly Word[],
  from: number,
  comma: boolean,
): [number, number] | undefined {
  const first = words[from]!;
  const next = words[from + 1];
  const nameFollows = next !== undefined && isNameWord(next);
  const isFirst =
    isNameWord(first) ||
    (first.initial && text[first.end] === '.') ||
    // "Mr. Will Harker": a word of the notes, and a given name where a name follows.
    (first.capital && GIVEN.has(first.lower) && nameFollows && text.slice(first.end, next.start) === ' ');
  if (!isFirst && !(particles.has(first.lower) && next && (nameFollows || particles.has(next.lower))))
    return undefined;
  let last = isFirst ? from : -1;
  let commas = 0;
  for (let at = from + 1; at < words.length && at - from < MAX_NAME_WORDS; at++) {
    const gap = text.slice(words[at - 1]!.end, Math.min(words[at]!.start, words[at - 1]!.end + 4));
    const afterInitial = words[at - 1]!.initial && gap === '. ';
    if (gap === ', ' || gap === ',') {
      if (!comma || commas++ > 0) break;
    } else if (gap !== ' ' && !afterInitial && !(words[at - 1]!.initial && gap === '.')) break;
    const word = words[at]!;
    // The name ends at its last capitalised word, so that a particle at its end is no part of it.
    if (particles.has(word.lower) && !word.capital) continue;
    if (!isNameWord(word)) break;
    // After the family name an unknown word of ordinary make begins something else: "Dr. Okonkwo Cardiology".
    if (
      !comma &&
      last >= 0 &&
      !word.initial &&
      !GIVEN.has(word.lower) &&
      !FAMILY.has(word.lower) &&
      isClinicalWord(word.lower)
    )
      break;
    last = at;
  }
  return last < 0 ? undefined : [from, last];
}

function nameBefore(text: string, words: readonly Word[], last: number): [number, number] | undefined {
  if (!isNameWord(words[last]!)) return undefined;
  let first = last;
  let commas = 0;
  for (let at = last - 1; at >= 0 && last - at < MAX_NAME_WORDS; at--) {
    const word = words[at]!;
    const gap = text.slice(word.end, Math.min(words[at + 1]!.start, word.end + 4));
    if (gap === ', ' ? commas++ > 0 : gap !== ' ' && !(word.initial && (gap === '. ' || gap === '.'))) break;
    if (particles.has(word.lower) && !word.capital) continue;
    if (!isNameWord(word) || titles.has(word.text) || titles.has(`${word.text}.`)) break;
    first = at;
  }
  return first === last && words[last]!.initial ? undefined : [first, last];
}

function isClinicalWord(lower: string): boolean {
  return loadLexicon().wordNumber(lower) >= 0;
}
