import { tokenize } from '../1-segment/tokens.js';
import { isTransparent } from '../2-mention/lexicon-words.js';
import { Recent } from '../2-mention/recent.js';
import type { AnnotatedText, Mention, MentionType, Token } from '../model.js';
import { readRules } from '../rules/load.js';
import { mentionAt } from './context.js';
import type { LongerNames, TermMatch, TermSearch } from './terms.js';

interface NeighbourRules {
  /** Words that bind what follows to the name before them: "diabetes with neuropathy". */
  readonly links: readonly string[];
  /** Words at which what belongs to a name ends. */
  readonly ends: readonly string[];
}

const rules = readRules<NeighbourRules>('code-neighbours.json');
const links = new Set(rules.links);
const ends = new Set(rules.ends);
const MAX_BEFORE = 5;
const MAX_BESIDE = 4;
const MAX_LINKED = 8;
const MAX_AFTER_COMMA = 2;
const MAX_NAMES = 2;
const NAMES_KEPT = 4096;
/** What a name says of what the note does not. */
const UNSAID = /,.*$|\bunspecified\b|\[[^\]]*\]/g;

/**
 * Tokens of the same clause that may complete the name of a finding: what stands before it ("acute on chronic
 * systolic [HF]"), what a link binds to it ("[appendicitis] with perforation") and what follows it directly ("[CKD]
 * stage 4") or after a comma ("[rheumatoid arthritis], seropositive"). Nothing that is denied, doubted or another's.
 */
export function neighboursOf(input: AnnotatedText, first: number, last: number): readonly Token[] {
  const { tokens } = input;
  const before: Token[] = [];
  for (let at = first - 1; at >= 0 && first - at <= MAX_BEFORE; at--) {
    const token = tokens[at]!;
    if (isEnd(token) || links.has(token.norm) || !isNear(input.text, token, tokens[at + 1]!)) break;
    before.unshift(token);
  }
  while (before.length > 0 && before[0]!.norm === 'on') before.shift();
  const after: Token[] = [];
  let at = last;
  const comma = tokens[at]?.norm === ',' && tokens[at - 1] !== undefined;
  if (comma) at++;
  const linked = !comma && tokens[at] !== undefined && links.has(tokens[at]!.norm);
  const most = comma ? MAX_AFTER_COMMA : linked ? MAX_LINKED : MAX_BESIDE;
  for (; at < tokens.length && after.length < most; at++) {
    const token = tokens[at]!;
    if (isEnd(token) || !isNear(input.text, tokens[at - 1]!, token)) break;
    if (!linked && links.has(token.norm)) break;
    after.push(token);
  }
  // After a comma a new item of a list begins, unless only an adjective stands there.
  const listed =
    comma && (after.some((token) => mentionAt(input.mentions, token) !== undefined) || !isClosed(tokens[at]));
  return [...before, ...(listed ? [] : after)].filter(
    (token) => !isTransparent(token.norm) && !isForeign(mentionAt(input.mentions, token)),
  );
}

function isEnd(token: Token): boolean {
  return ends.has(token.norm) || !/[a-z0-9-]/.test(token.norm);
}

function isClosed(token: Token | undefined): boolean {
  return token === undefined || !/[a-z0-9]/.test(token.norm);
}

/** Whether two tokens stand on one line, a space apart at most. */
function isNear(text: string, before: Token, after: Token): boolean {
  return after.start - before.end <= 1 && text.charCodeAt(before.end) !== 10;
}

function isForeign(mention: Mention | undefined): boolean {
  return (
    mention !== undefined &&
    (mention.assertion.polarity !== 'affirmed' || mention.assertion.experiencer !== 'patient')
  );
}

/** Those of the names of concepts, by their name and types: many ways of saying a thing share them. */
const namesOf = new WeakMap<TermSearch, Recent<LongerNames | null>>();

/**
 * The longer names of a mention and of what it was found to mean: "HF" alone has none, the heart failure it stands for has.
 * @param names displays of the concepts that the mention alone means.
 */
export function longerNamesOf(
  terms: TermSearch,
  own: readonly Token[],
  names: readonly string[],
  types: readonly MentionType[],
): readonly LongerNames[] {
  let kept = namesOf.get(terms);
  if (!kept) {
    kept = new Recent(NAMES_KEPT);
    namesOf.set(terms, kept);
  }
  const result: LongerNames[] = [];
  const alone = terms.longerNames(own, types);
  if (alone) result.push(alone);
  for (const name of names.slice(0, MAX_NAMES)) {
    const key = `${types.join()}|${name}`;
    let longer = kept.get(key);
    if (longer === undefined) {
      // The words of a concept's name that a note would say.
      longer = terms.longerNames(tokenize(name.replace(UNSAID, '')), types) ?? null;
      kept.set(key, longer);
    }
    if (longer && longer.key !== alone?.key) result.push(longer);
  }
  return result;
}

/** The longer name that the words beside a mention complete: "acute on chronic systolic" + "HF" is the heart failure of that name. */
export function completion(
  terms: TermSearch,
  longer: readonly LongerNames[],
  beside: readonly Token[],
): TermMatch | undefined {
  const numbers = terms.numbersOf(beside);
  if (numbers.length === 0) return undefined;
  for (const names of longer) {
    const found = terms.completed(names, numbers);
    if (found) return found;
  }
  return undefined;
}
