import { tokenize } from '../1-segment/tokens.js';

/**
 * The form in which words of the lexicon and of a note are compared. Both sides pass through here, so a rule
 * need not be right as grammar, only the same on both: "metastases" and "metastasis" must meet.
 */

/** Tokens that may stand inside a phrase without changing what it names. */
const TRANSPARENT = new Set(['-', '/', "'", "'s", 'the', 'his', 'her', 'their', 'my', 'your']);

const ROMAN: Readonly<Record<string, string>> = { ii: '2', iii: '3', iv: '4', vi: '6', vii: '7', viii: '8' };

/** True for a token that a phrase may contain or leave out (hyphen, slash, possessive, article). */
export function isTransparent(norm: string): boolean {
  return TRANSPARENT.has(norm);
}

/** The comparable form of one token's norm: British spelling, plural, Roman numeral and number forms unified. */
export function stem(norm: string): string {
  const first = norm.charCodeAt(0);
  if ((first >= 48 && first <= 57) || first === 46) return plainNumber(norm);
  const roman = ROMAN[norm];
  if (roman !== undefined) return roman;
  let word = norm;
  if (word.length > 4) {
    if (word.includes('ae') || word.includes('oe')) word = word.replace(/[ao]e/g, 'e');
    if (word.includes('our')) word = word.replace(/our/g, 'or');
    if (word.includes('y') && word.endsWith('yse')) word = `${word.slice(0, -3)}yze`;
    if (word.startsWith('leuc')) word = word.replace(/^leuc(?=o[pcd]|e)/, 'leuk');
    if (word.includes('sulph')) word = word.replace('sulph', 'sulf');
    if (word.includes('is')) word = word.replace(/is(?=(?:e|ed|es|ing|ations?)$)/, 'iz');
  }
  const length = word.length;
  if (length < 4) return word;
  if (word.endsWith('sis') && length > 5) return word.slice(0, -2);
  if (word.endsWith('ies') && length > 4) return `${word.slice(0, -3)}y`;
  if (word.endsWith('s') && !word.endsWith('ss') && !word.endsWith('us') && !word.endsWith('is')) {
    word = word.slice(0, -1);
  }
  if (word.length > 4 && word.endsWith('e')) word = word.slice(0, -1);
  // "Centre" and "center", "fibre" and "fiber".
  if (word.length > 4 && (word.endsWith('tr') || word.endsWith('br'))) word = `${word.slice(0, -1)}er`;
  return word;
}

/** `0.50` and `.5` to `0.5`, `1,500` to `1500`; anything else as it is. */
function plainNumber(norm: string): string {
  if (!/^(?:\d+(?:,\d{3})*)?(?:\.\d+)?$/.test(norm)) return norm;
  const value = Number(norm.replaceAll(',', ''));
  return Number.isFinite(value) ? String(value) : norm;
}

/** Comparable words of a phrase, as the lexicon stores them. */
export function lexiconWords(phrase: string): string[] {
  const words: string[] = [];
  for (const token of tokenize(phrase)) if (!isTransparent(token.norm)) words.push(stem(token.norm));
  return words;
}
