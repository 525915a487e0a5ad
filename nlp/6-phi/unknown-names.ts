import { loadLexicon } from '../2-mention/lexicon.js';
import { loadTagger } from '../2-mention/tagger.js';
import { FAMILY, GIVEN, ORDINARY, phiRules, wordSet } from './rules.js';

const notNames = wordSet(phiRules.notNames);
/** Suffixes by which words of medicine show that no list holds. */
const CLINICAL_END =
  /(?:itis|osis|emia|aemia|ectomy|otomy|ostomy|plasty|scopy|graphy|gram|pathy|algia|uria|oma|mab|nib|pril|sartan|statin|olol|azole|cillin|mycin|cycline|vir|ine|ide|ate|tion|ing|ed|ly|ment|ness|able|ible|ous|ive|ical|al|ic|ity|ism|ology)$/;
const known = new Map<string, boolean>();
const KNOWN_MAX = 20_000;

/**
 * A word that is neither in the lexicon nor in the clinical text that the tagger's words come from, where no people
 * have names: what is written with a capital then is most likely the name of somebody or of a place.
 */
export function isUnknownWord(lower: string): boolean {
  let found = known.get(lower);
  if (found !== undefined) return found;
  found = !notNames.has(lower) && !ORDINARY.has(lower) && lower.split(/[-']/).every(isNamePart);
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(lower, found);
  return found;
}

function isNamePart(part: string): boolean {
  return GIVEN.has(part) || FAMILY.has(part) || (!CLINICAL_END.test(part) && isUnseenWord(part));
}

/** Like `isUnknownWord`, for words of which it is known that they are no terms. */
export function isUnseenWord(lower: string): boolean {
  const plain = lower.normalize('NFKD').replace(/\p{M}/gu, '');
  return loadLexicon().wordNumber(plain) < 0 && loadTagger().frequencyClass(plain) === 0;
}
