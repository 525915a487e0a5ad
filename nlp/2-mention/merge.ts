import type { MentionType } from '../model.js';
import type { ContextJudge } from './context.js';
import { FLAG, type LexiconHit, type LexiconRow } from './lexicon.js';
import {
  EMPTY_HEADS,
  LEADING,
  NEUTRAL_TAIL,
  NUMBERED,
  RELEASE_FORMS,
  SENTENCE_WORDS,
  SOCIAL_WORDS,
  TEST_HEADS,
  TRAILING,
  UNITS,
} from './mention-words.js';

/** A possible mention within one sentence, by token indices of the sentence. */
export interface Candidate {
  readonly first: number;
  readonly last: number;
  readonly type: MentionType;
  readonly score: number;
  readonly because: string;
  readonly source: 'lexicon' | 'tagger' | 'both';
}

interface Trust {
  /** Words that stand in names of this kind of thing. */
  readonly known: number;
  /** Words that do not. */
  readonly unknown: number;
  /** One word alone. */
  readonly single: number;
}

const NO_TRUST: Trust = { known: 2, unknown: 2, single: 2 };

/**
 * How likely a tagged span without a lexicon row must be, by type; chosen on held-out folds and notes. The more a
 * wrong one costs the more is asked: a procedure becomes a fact, a test without a value never does.
 */
const TRUST: Readonly<Partial<Record<MentionType, Trust>>> = {
  medication: { known: 0.5, unknown: 0.75, single: 0.5 },
  allergen: { known: 0.6, unknown: 0.75, single: 0.6 },
  diagnosis: { known: 0.5, unknown: 0.75, single: 0.5 },
  symptom: { known: 0.5, unknown: 0.8, single: 0.65 },
  procedure: { known: 0.6, unknown: 0.9, single: 0.75 },
  test: { known: 0.5, unknown: 0.65, single: 0.6 },
  'vital-sign': { known: 0.6, unknown: 0.9, single: 0.7 },
};
/** Added in lists and tables, where the tagger misses the grammar it learned from. */
const LIST_CAUTION = 0.1;
/** A lexicon row that is also an ordinary word needs this much support where its section does not vouch for it. */
const ORDINARY_WORD_SUPPORT = 0.4;
/** Outweighs the order of rows where the sentence speaks of vaccines. */
const VACCINE_BONUS = 0.3;
/** Case reports do not describe operations step by step: there the tagger must be all but certain. */
const OPERATIVE_SCORE = 0.95;
/** "L4-L5" is a place. */
const VERTEBRA = /^(?:[clts]\d{1,2}|-|–|\/)$/;
/** One of several meanings needs at least this much. */
const AMBIGUOUS_SUPPORT = 0.25;
/** A tagged span displaces a lexicon phrase inside it of another type from this likelihood on. */
const DISPLACING_SCORE = 0.6;
const MAX_MERGED_TOKENS = 10;

/** Marks that no name of the tagger's spans across. */
const SEPARATOR = /^(?:[|;:=•→>&#]|\|+)$/;
const EDGE_MARK = /^[^\p{L}]+$/u;

/**
 * The reading of a lexicon phrase that fits its context best, or undefined where the phrase is an ordinary word
 * here. A phrase of one reading is believed; one with several, or that is an ordinary word too, needs the
 * section, a value, a strength or the tagger on its side.
 */
export function chooseRow(hit: LexiconHit, context: ContextJudge): Candidate | undefined {
  if (context.isUnit(hit.firstToken, hit.lastToken)) return undefined;
  const spelledSmall = isSpelledSmall(hit, context);
  let best: LexiconRow | undefined;
  let bestScore = 0;
  for (const row of hit.rows) {
    const support = context.support(hit.firstToken, hit.lastToken, row.type);
    const short = isShortForm(row, hit, context);
    if (short && isTitleCase(hit, context)) continue;
    if (row.type === 'social' && !someWordOf(SOCIAL_WORDS, hit, context)) continue;
    if (row.type === 'diagnosis' && context.isPerson(hit.firstToken, hit.lastToken)) continue;
    const home = context.atHome(row.type) || (row.type === 'vaccine' && context.aboutVaccines);
    const hinted = hintedByNumbers(row.type, hit, context);
    const vouched = home || hinted || support >= ORDINARY_WORD_SUPPORT;
    if ((row.flags & FLAG.needsContext) !== 0 && !vouched) continue;
    const shorthand = vouched || context.listItem || support >= AMBIGUOUS_SUPPORT;
    if (short && spelledSmall && !shorthand) continue;
    if ((row.flags & FLAG.ambiguous) !== 0 && !vouched && support < AMBIGUOUS_SUPPORT) continue;
    const exactly = context.believed(hit.firstToken, hit.lastToken, row.type);
    let score = 0.8 + 0.1 * support + 0.05 * exactly + (home ? 0.05 : 0) + (hinted ? 0.1 : 0);
    if ((row.flags & FLAG.ambiguous) !== 0) score -= 0.1;
    if ((row.flags & FLAG.abbreviation) !== 0 && !vouched) score -= 0.1;
    if (hit.corrected !== undefined) score -= 0.1;
    if (row.type === 'vaccine' && context.aboutVaccines) score += VACCINE_BONUS;
    // The first row is the commonest meaning: a later one must be clearly better.
    if (score > bestScore + 0.02) {
      best = row;
      bestScore = score;
    }
  }
  if (!best || bestScore < 0.5) return undefined;
  const testWords = best.type === 'medication' ? context.testWordsAfter(hit.lastToken) : 0;
  if (testWords > 0) {
    return {
      first: hit.firstToken,
      last: hit.lastToken + testWords,
      type: 'test',
      score: Math.min(1, bestScore),
      because: `lexicon:${best.entry} as a test`,
      source: 'lexicon',
    };
  }
  if (best.type === 'diagnosis' && context.isVaccineName(hit.firstToken, hit.lastToken)) {
    return {
      first: hit.firstToken,
      last: hit.lastToken,
      type: 'vaccine',
      score: Math.min(1, bestScore),
      because: `lexicon:${best.entry} as its vaccine`,
      source: 'lexicon',
    };
  }
  const type = best.type === 'medication' && context.isAllergen(hit.firstToken) ? 'allergen' : best.type;
  return {
    first: hit.firstToken,
    last: endOfName(hit, best, context),
    type,
    score: Math.min(1, bestScore),
    because: `lexicon:${best.entry}${hit.corrected === undefined ? '' : ` for ${hit.corrected}`}`,
    source: 'lexicon',
  };
}

/** A product of one ingredient is named by it; strength and form are attributes, read again by later stages. */
function endOfName(hit: LexiconHit, row: LexiconRow, context: ContextJudge): number {
  if ((row.flags & FLAG.whole) !== 0 || row.type !== 'medication') return hit.lastToken;
  let end = hit.lastToken;
  if ((row.flags & FLAG.product) !== 0) {
    for (let t = hit.firstToken + 1; t < hit.lastToken; t++) {
      if (/^[.\d]/.test(context.tokens[t]!.norm)) {
        end = t;
        break;
      }
    }
  }
  if ((row.flags & FLAG.brand) !== 0) return end;
  while (
    end - 1 > hit.firstToken &&
    (RELEASE_FORMS.has(context.tokens[end - 1]!.norm) || context.tokens[end - 1]!.text === '-')
  )
    end--;
  return end;
}

const SHORT_FORM_MAX_CHARACTERS = 5;

/** An abbreviation by its flag, or a few letters that occur in no name of what they stand for. */
function isShortForm(row: LexiconRow, hit: LexiconHit, context: ContextJudge): boolean {
  if ((row.flags & FLAG.abbreviation) !== 0) return true;
  if (hit.lastToken - hit.firstToken > 1 || row.concepts.length === 0) return false;
  const { norm } = context.tokens[hit.firstToken]!;
  if (norm.length > SHORT_FORM_MAX_CHARACTERS) return false;
  const stem = norm.slice(0, 3);
  return !row.concepts.some((concept) => concept.display.toLowerCase().includes(stem));
}

function someWordOf(words: ReadonlySet<string>, hit: LexiconHit, context: ContextJudge): boolean {
  for (let t = hit.firstToken; t < hit.lastToken; t++) if (words.has(context.tokens[t]!.norm)) return true;
  return false;
}

/** "Doe" is no abbreviation, "DOE" and "doe" may be one. */
function isTitleCase(hit: LexiconHit, context: ContextJudge): boolean {
  return (
    hit.lastToken - hit.firstToken === 1 &&
    /^\p{Lu}\p{Ll}+$/u.test(context.tokens[hit.firstToken]!.text) &&
    context.tokens[hit.firstToken]!.text.length <= 4 &&
    hit.firstToken > 0
  );
}

/** A common word in small letters: "does" is rather a verb than dyspnea on exertion. */
function isSpelledSmall(hit: LexiconHit, context: ContextJudge): boolean {
  const { text, norm } = context.tokens[hit.firstToken]!;
  return hit.lastToken - hit.firstToken === 1 && /^\p{Ll}+$/u.test(text) && context.isCommonWord(norm);
}

function hintedByNumbers(type: MentionType, hit: LexiconHit, context: ContextJudge): boolean {
  if (type === 'medication') return context.strengthFollows(hit.lastToken);
  if (type === 'test' || type === 'vital-sign') {
    return context.valueFollows(hit.lastToken) && !context.strengthFollows(hit.lastToken);
  }
  return false;
}

/** Types between which the lexicon and the tagger do not contradict each other. */
function compatible(a: MentionType, b: MentionType): boolean {
  if (a === b) return true;
  const group = (type: MentionType): number =>
    type === 'diagnosis' || type === 'symptom'
      ? 1
      : type === 'procedure' || type === 'test' || type === 'vital-sign' || type === 'device'
        ? 2
        : type === 'medication' || type === 'allergen' || type === 'vaccine'
          ? 3
          : 4;
  return group(a) === group(b);
}

/** One list without overlaps, in order. */
export function mergeCandidates(
  lexicon: readonly Candidate[],
  tagged: readonly Candidate[],
  context: ContextJudge,
): Candidate[] {
  const kept: Candidate[] = [];
  const gone = new Set<Candidate>();
  for (const span of tagged.flatMap((candidate) => partsOf(candidate, context))) {
    const inside = lexicon.filter((hit) => hit.first < span.last && span.first < hit.last && !gone.has(hit));
    if (inside.length === 0) {
      if (standsAlone(span, context)) kept.push(span);
      continue;
    }
    if (inside.length > 1) {
      // Several names in one span: the lexicon's boundaries stand.
      continue;
    }
    const hit = inside[0]!;
    const agree = compatible(hit.type, span.type);
    const covers = hit.first >= span.first && hit.last <= span.last;
    const modifies = covers && hit.last < span.last && !isNeutral(context, hit.last, span.last);
    if (
      modifies ||
      (covers &&
        !agree &&
        (hit.last - hit.first < span.last - span.first || isTestNotDrug(hit, span, context)))
    ) {
      // The head of an English name is its last word: in "iron deficiency" and "weight management" the phrase of
      // the lexicon only modifies another name. And a level of a substance is no drug.
      if (span.score >= DISPLACING_SCORE && standsAlone(span, context)) {
        gone.add(hit);
        kept.push(span);
      }
      continue;
    }
    if (!agree) continue;
    gone.add(hit);
    kept.push(joined(hit, span));
  }
  for (const hit of lexicon) if (!gone.has(hit)) kept.push(hit);
  const chosen = withoutOverlaps(kept);
  return chosen.filter(
    (one, i) => !(one.type === 'medication' && i > 0 && context.inBrackets(one.first, one.last)),
  );
}

/** One candidate of a phrase and the span that agrees with it. Drug names keep the lexicon's boundaries. */
function joined(hit: Candidate, span: Candidate): Candidate {
  const wide = hit.type !== 'medication' && hit.type !== 'allergen';
  const first = wide ? Math.min(hit.first, span.first) : hit.first;
  // A phrase of several words is a whole name: only modifiers before it may join.
  const last = wide && hit.last - hit.first === 1 ? Math.max(hit.last, span.last) : hit.last;
  const keep = last - first > MAX_MERGED_TOKENS;
  return {
    ...hit,
    first: keep ? hit.first : first,
    last: keep ? hit.last : last,
    score: Math.max(hit.score, 1 - (1 - hit.score) * (1 - span.score)),
    because: `${hit.because}, ${span.because}`,
    source: 'both',
  };
}

function everyWordIn(words: ReadonlySet<string>, context: ContextJudge, span: Candidate): boolean {
  for (let t = span.first; t < span.last; t++) {
    const { norm } = context.tokens[t]!;
    if (!words.has(norm) && /\p{L}/u.test(norm)) return false;
  }
  return true;
}

function someWordIn(words: ReadonlySet<string>, context: ContextJudge, span: Candidate): boolean {
  for (let t = span.first; t < span.last; t++) if (words.has(context.tokens[t]!.norm)) return true;
  return false;
}

function everyWordLike(pattern: RegExp, context: ContextJudge, span: Candidate): boolean {
  for (let t = span.first; t < span.last; t++) if (!pattern.test(context.tokens[t]!.norm)) return false;
  return true;
}

/** Whether a tagged span that the lexicon does not know is believed. */
function standsAlone(span: Candidate, context: ContextJudge): boolean {
  const words = span.last - span.first;
  const head = context.tokens[span.last - 1]!.norm;
  const trust = TRUST[span.type] ?? NO_TRUST;
  const caution = context.listItem ? LIST_CAUTION : 0;
  const least = context.knowsWords(span.first, span.last, span.type) ? trust.known : trust.unknown;
  if (span.score < Math.max(least, words === 1 ? trust.single : 0) + caution) return false;
  if (context.section === 'operative-details' && span.score < OPERATIVE_SCORE) return false;
  if (someWordIn(SENTENCE_WORDS, context, span) || context.isPerson(span.first, span.last)) return false;
  if (everyWordIn(UNITS, context, span) || everyWordLike(VERTEBRA, context, span)) return false;
  if ((span.type === 'procedure' || span.type === 'medication') && /[a-z](?:ed|ly)$/.test(head)) return false;
  if (words === 1 && span.type === 'test' && /[a-z](?:ed|ly)$/.test(head)) return false;
  if (span.type === 'test' && words > 1 && TEST_HEADS.has(head)) return true;
  return !EMPTY_HEADS.has(head) && !EMPTY_HEADS.has(context.words(span.first, span.last));
}

/** Words after a name that do not make another name of it: "hemoglobin levels", "CKD stage 3". */
function isNeutral(context: ContextJudge, from: number, to: number): boolean {
  for (let t = from; t < to; t++) {
    const { norm } = context.tokens[t]!;
    if (!NEUTRAL_TAIL.has(norm) && !/^[^a-z]+$/.test(norm)) return false;
  }
  return true;
}

/** "Potassium was 4.2" is no drug, whatever the lexicon lists potassium as. */
function isTestNotDrug(hit: Candidate, span: Candidate, context: ContextJudge): boolean {
  return (
    hit.type === 'medication' &&
    span.type === 'test' &&
    context.valueFollows(hit.last) &&
    !context.strengthFollows(hit.last)
  );
}

/** The parts of a tagged span between separators, without what does not belong to a name at their edges. */
function partsOf(candidate: Candidate, context: ContextJudge): Candidate[] {
  const parts: Candidate[] = [];
  let first = candidate.first;
  for (let t = candidate.first; t <= candidate.last; t++) {
    if (t < candidate.last && !separates(context, t)) continue;
    const part = t > first ? trim({ ...candidate, first, last: t }, context) : undefined;
    if (part) parts.push(part);
    first = t + 1;
  }
  return parts;
}

/** A separator, or a dash with white space around it: "Sulfa - hives". */
function separates(context: ContextJudge, t: number): boolean {
  const { tokens } = context;
  const { norm } = tokens[t]!;
  if (SEPARATOR.test(norm)) return true;
  if (!/^[-–—]+$/.test(norm)) return false;
  const before = tokens[t - 1];
  const after = tokens[t + 1];
  return (
    before !== undefined &&
    after !== undefined &&
    before.end < tokens[t]!.start &&
    tokens[t]!.end < after.start
  );
}

function trim(candidate: Candidate, context: ContextJudge): Candidate | undefined {
  let { first, last } = candidate;
  const norm = (t: number): string => context.tokens[t]!.norm;
  while (first < last && (LEADING.has(norm(first)) || EDGE_MARK.test(norm(first)))) first++;
  while (last > first) {
    const end = norm(last - 1);
    const joinedNumber =
      last - 2 >= first &&
      (NUMBERED.has(norm(last - 2)) || context.tokens[last - 2]!.end === context.tokens[last - 1]!.start);
    if (
      TRAILING.has(end) ||
      (UNITS.has(end) && last - first > 1) ||
      (EDGE_MARK.test(end) && !(joinedNumber && /^\d/.test(end)))
    )
      last--;
    else break;
  }
  if (first === last) return undefined;
  if (!/\p{L}/u.test(context.words(first, last))) return undefined;
  return { ...candidate, first, last };
}

function withoutOverlaps(candidates: readonly Candidate[]): Candidate[] {
  const ranked = [...candidates].sort(
    (a, b) => b.score - a.score || b.last - b.first - (a.last - a.first) || a.first - b.first,
  );
  const chosen: Candidate[] = [];
  for (const candidate of ranked) {
    if (!chosen.some((other) => other.first < candidate.last && candidate.first < other.last))
      chosen.push(candidate);
  }
  return chosen.sort((a, b) => a.first - b.first);
}
