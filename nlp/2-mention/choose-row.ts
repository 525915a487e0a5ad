import type { MentionType } from '../model.js';
import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';
import { FLAG, type LexiconHit, type LexiconRow } from './lexicon.js';
import { HOUSEHOLD, RELEASE_FORMS } from './mention-words.js';
import { isNamedOtherwise } from './senses.js';

/** A lexicon row that is also an ordinary word needs this much support where its section does not vouch for it. */
const ORDINARY_WORD_SUPPORT = 0.4;
/** Outweighs the order of rows where the sentence speaks of vaccines. */
const VACCINE_BONUS = 0.3;
/** One of several meanings needs at least this much. */
const AMBIGUOUS_SUPPORT = 0.2;

/** What stands before findings only. */
const GRADES = new Set(['mild', 'moderate', 'mod', 'severe', 'critical', 'trivial', 'progressive']);

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
    if (row.type === 'social' && someWordOf(HOUSEHOLD, hit, context)) continue;
    if (row.type === 'diagnosis' && context.isPerson(hit.firstToken, hit.lastToken)) continue;
    const home = context.atHome(row.type) || (row.type === 'vaccine' && context.aboutVaccines);
    const hinted = hintedByNumbers(row.type, hit, context);
    // "Hgb 9.8" is one all the same.
    if (short && isTitleCase(hit, context) && !hinted) continue;
    const feared =
      row.type === 'allergen' &&
      (context.allergyFollows(hit.lastToken) || context.isAllergen(hit.firstToken));
    // "Moderate AS", "AS (HLA-B27+)": what qualifies a finding, or speaks of one that the words may name.
    const graded =
      row.type === 'diagnosis' &&
      (row.flags & FLAG.cased) !== 0 &&
      (GRADES.has(context.tokens[hit.firstToken - 1]?.norm ?? '') ||
        isNamedOtherwise(hit.firstToken, hit.lastToken, row.type, context));
    const vouched = home || hinted || feared || graded || support >= ORDINARY_WORD_SUPPORT;
    if ((row.flags & FLAG.needsContext) !== 0 && !vouched) continue;
    const shorthand = vouched || context.listItem || support >= AMBIGUOUS_SUPPORT;
    if (short && spelledSmall && !shorthand) continue;
    if ((row.flags & FLAG.ambiguous) !== 0 && !vouched && support < AMBIGUOUS_SUPPORT) continue;
    const exactly = context.believed(hit.firstToken, hit.lastToken, row.type);
    let score = 0.8 + 0.1 * support + 0.05 * exactly + (home ? 0.05 : 0) + (hinted || feared ? 0.1 : 0);
    if ((row.flags & FLAG.ambiguous) !== 0) score -= 0.1;
    if ((row.flags & FLAG.abbreviation) !== 0 && !vouched) score -= 0.1;
    if (hit.corrected !== undefined) score -= 0.1;
    // Who makes a vaccine lists it among the drugs as well.
    if (row.type === 'vaccine' && (context.aboutVaccines || (row.flags & FLAG.needsContext) === 0))
      score += VACCINE_BONUS;
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
  const type =
    best.type === 'medication' &&
    (context.isAllergen(hit.firstToken) || context.allergyFollows(hit.lastToken))
      ? 'allergen'
      : best.type;
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

/** Short forms that are written so. */
const TITLE_CASE = new Set(['afib', 'vfib']);

/** "Doe" is no abbreviation, "DOE" and "doe" may be one. */
function isTitleCase(hit: LexiconHit, context: ContextJudge): boolean {
  return (
    hit.lastToken - hit.firstToken === 1 &&
    /^\p{Lu}\p{Ll}+$/u.test(context.tokens[hit.firstToken]!.text) &&
    context.tokens[hit.firstToken]!.text.length <= 4 &&
    hit.firstToken > 0 &&
    !TITLE_CASE.has(context.tokens[hit.firstToken]!.norm)
  );
}

/** A common word in small letters: "does" is rather a verb than dyspnea on exertion. */
function isSpelledSmall(hit: LexiconHit, context: ContextJudge): boolean {
  const { text, norm } = context.tokens[hit.firstToken]!;
  return hit.lastToken - hit.firstToken === 1 && /^\p{Ll}+$/u.test(text) && context.isCommonWord(norm);
}

function hintedByNumbers(type: MentionType, hit: LexiconHit, context: ContextJudge): boolean {
  if (type === 'medication')
    return (
      context.strengthFollows(hit.lastToken) ||
      (context.bareNumberFollows(hit.lastToken) && hit.rows.every((row) => row.type === 'medication'))
    );
  if (type === 'social') return context.useFollows(hit.lastToken) || context.isCounted(hit.firstToken);
  if (type === 'test' || type === 'vital-sign') {
    // "Li level 0.9"
    if (context.testWordsAfter(hit.lastToken) > 0) return true;
    return (
      context.valueFollows(hit.lastToken) &&
      !context.strengthFollows(hit.lastToken) &&
      !context.useFollows(hit.lastToken)
    );
  }
  return false;
}
