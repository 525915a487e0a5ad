import type { Candidate } from './candidate.js';
import type { ContextJudge } from './context.js';
import { EMPTY_HEADS, NEVER_HEADS, SENTENCE_WORDS, UNITS } from './mention-words.js';
import { DRUG_OPINIONS, type Tagged } from './tagger.js';
import { isProse, SEEN_SCORE } from './trust.js';

/** Sum of opinions that a token's being a drug takes, and what the model of drug events must say itself. */
const MIN_SUM = 0.8;
const MIN_EVENT = 0.4;
/** And what that of chemicals must: instruments and dressings are new words too. */
const MIN_SUBSTANCE = 0.3;
/** What is left to say where an amount or a way of giving stands right beside the name. */
const MIN_SUM_GIVEN = 0.3;
const MIN_EVENT_GIVEN = 0.1;
/** From this sum on, with directions beside it, such a name is believed. */
const BELIEVED_SUM = 1;
const BELIEVED_SCORE = 0.7;
const BECAUSE = 'model:drug-event';

/** Directions just before a drug's name and just after it. */
const GIVEN_BEFORE =
  /(?:\b(?:mg|mcg|g|ml|units?|iu|doses?|overdoses?|infusions?|injections?|administration|ingestion|courses?|cycles?|tablets?)(?:\s?\/\s?\w+)*\sof\s(?:the\s)?|\b(?:oral|intravenous|iv|i\.v\.|intrathecal|intramuscular|subcutaneous|topical|inhaled|intraperitoneal|intravitreal|parenteral|high-dose|low-dose|prescribed|administered|received|receiving|taking|taken|treated with|therapy with|treatment with)\s)$/i;
const GIVEN_AFTER =
  /^(?:\s\(?\d[\d.,]*\s?(?:mg|mcg|g|ml|units?|iu)\b|\s(?:infusions?|injections?|therapy|treatment|chemotherapy|administration|overdose|tablets?|drops?|was (?:given|administered|started|stopped|discontinued))\b)/i;

/**
 * Names that the last model passed over and the models beside it take for drugs: it has read few documents, the model
 * of drug events many short ones. They are seen, and believed where directions stand beside them.
 * @param chosen the sentence's mentions so far: nothing is added that overlaps or touches one.
 */
export function fromOtherModels(
  text: string,
  { drugs }: Tagged,
  chosen: readonly Candidate[],
  context: ContextJudge,
): Candidate[] {
  if (!drugs || !isProse(context)) return [];
  const { tokens } = context;
  const sumOf = (t: number): number => drugs[DRUG_OPINIONS * t]!;
  const eventOf = (t: number): number => drugs[DRUG_OPINIONS * t + 1]!;
  const substanceOf = (t: number): number => drugs[DRUG_OPINIONS * t + 2]!;
  const free = (t: number): boolean =>
    !chosen.some(({ first, last }) => t >= first && t < last) && sumOf(t) >= MIN_SUM_GIVEN;
  const touches = (t: number): boolean => t + 1 < tokens.length && tokens[t]!.end === tokens[t + 1]!.start;
  const found: Candidate[] = [];
  for (let t = 0; t < tokens.length; t++) {
    if (!free(t) || eventOf(t) < MIN_EVENT_GIVEN || !/\p{L}/u.test(tokens[t]!.text)) continue;
    const first = t;
    let last = t + 1;
    let sum = sumOf(t);
    let event = eventOf(t);
    let substance = substanceOf(t);
    while (
      last < tokens.length &&
      (free(last) || touches(last - 1)) &&
      /[\p{L}\p{N}-]/u.test(tokens[last]!.text)
    ) {
      sum = Math.max(sum, sumOf(last));
      event = Math.max(event, eventOf(last));
      substance = Math.max(substance, substanceOf(last));
      last++;
    }
    t = last - 1;
    if (chosen.some((other) => other.first <= last && first <= other.last)) continue;
    if (!isName(first, last, context)) continue;
    const given =
      GIVEN_BEFORE.test(text.slice(Math.max(0, tokens[first]!.start - 40), tokens[first]!.start)) ||
      GIVEN_AFTER.test(text.slice(tokens[last - 1]!.end, tokens[last - 1]!.end + 40));
    if (!given && (sum < MIN_SUM || event < MIN_EVENT || substance < MIN_SUBSTANCE)) continue;
    const believed = given && sum >= BELIEVED_SUM;
    found.push({
      first,
      last,
      type: 'medication',
      score: believed ? BELIEVED_SCORE : SEEN_SCORE,
      because: believed ? BECAUSE : `${BECAUSE}, seen only`,
      source: 'tagger',
    });
  }
  return found;
}

function isName(first: number, last: number, context: ContextJudge): boolean {
  if (context.isPerson(first, last)) return false;
  const head = context.tokens[last - 1]!;
  if (head.text.length < 2 || NEVER_HEADS.has(head.norm) || EMPTY_HEADS.has(head.norm)) return false;
  if (/[a-z](?:ed|ly|ing)$/.test(head.norm)) return false;
  for (let t = first; t < last; t++) {
    const { norm } = context.tokens[t]!;
    if (SENTENCE_WORDS.has(norm) || UNITS.has(norm)) return false;
  }
  return true;
}
