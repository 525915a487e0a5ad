import type { LexiconConcept } from '../2-mention/lexicon-file.js';
import type { Mention } from '../model.js';

/** A code that the author wrote into the note, and how. */
interface TypedCode {
  readonly start: number;
  readonly end: number;
  readonly system: number;
  readonly code: string;
}

const SNOMED = 1;
const ICD10CM = 2;
const HINT = /[A-TV-Z]\d[\dAB]|snomed/i;
/** "E11.9", "(I10)", "ICD-10: I10", "SNOMED CT 195967001". */
const CODES =
  /(?<![A-Za-z0-9.])(?:(?:ICD[- ]?10(?:[- ]?CM)?[ :#=]{1,3})?([A-TV-Z]\d[\dAB])(?:\.([\dA-Z]{1,4})|(\d{1,3}))?|SNOMED(?:[ -]?CT)?(?: code)?[ :#=]{1,3}(\d{6,18}))(?![A-Za-z0-9]|\.\d)/g;
/** How far behind a name its code may stand. */
const REACH = 70;
/** Between a name and its code: what narrows the name, and marks. */
const BETWEEN =
  /^(?:[ \t,:–—-]*(?:\([A-Za-z -]{1,20}\))?[ \t,:–—-]*[A-Za-z][A-Za-z0-9 /-]{0,40}){0,2}[ \t,:–—|-]*[([{]?[ \t]*$/;
/** Behind a code that opens its row. */
const OPENED = /^[)\]}]?[ \t]*[:–—|-]*[ \t]*$/;
const FAMILY = /^Z8[0-4]/;

/** The codes that stand in a note, by the concept that a lexicon has for each. */
export interface TypedCodes {
  /** The concepts whose codes were written beside this mention. */
  of(mention: Mention, next: Mention | undefined): readonly LexiconConcept[];
}

/** Reads the codes typed into a note; undefined where there are none. @param named the concept of a code */
export function typedCodes(
  text: string,
  named: (system: number, code: string) => LexiconConcept | undefined,
): TypedCodes | undefined {
  if (!HINT.test(text)) return undefined;
  const codes: TypedCode[] = [];
  CODES.lastIndex = 0;
  for (let match = CODES.exec(text); match; match = CODES.exec(text)) {
    const [all, category, dotted, plain, snomed] = match;
    const start = match.index;
    const end = start + all.length;
    if (snomed !== undefined) codes.push({ start, end, system: SNOMED, code: snomed });
    else if (dotted !== undefined || all !== category || isMarked(text, start, end)) {
      const rest = dotted ?? plain;
      codes.push({ start, end, system: ICD10CM, code: rest ? `${category}.${rest}` : category! });
    }
  }
  if (codes.length === 0) return undefined;
  const conceptOf = ({ system, code }: TypedCode): LexiconConcept | undefined =>
    // Of the codes that an encounter completes the lexicon has the ones above.
    named(system, code) ?? (/\.\w{3}[A-Z]$/.test(code) ? named(system, code.slice(0, -1)) : undefined);
  return {
    of(mention, next) {
      const found: LexiconConcept[] = [];
      for (let at = firstFrom(codes, mention.end); at < codes.length; at++) {
        const code = codes[at]!;
        const gap = text.slice(found.length === 0 ? mention.end : codes[at - 1]!.end, code.start);
        if (
          code.start - mention.end > REACH ||
          (next && next.start < code.start && next.start >= mention.end)
        )
          break;
        if (!(found.length === 0 ? BETWEEN : /^[ \t,;/)\]([]*$/).test(gap)) break;
        const concept = conceptOf(code);
        if (!concept || (mention.assertion.experiencer === 'family' && FAMILY.test(code.code))) break;
        found.push(concept);
      }
      if (found.length > 0) return found;
      // "I10 Essential hypertension" as a row
      const at = firstFrom(codes, mention.start) - 1;
      const code = codes[at];
      if (!code || code.end > mention.start || !OPENED.test(text.slice(code.end, mention.start)))
        return found;
      if (!/(?:^|\n)[\s*•\d.)([-]*$/.test(text.slice(Math.max(0, code.start - 8), code.start))) return found;
      const concept = conceptOf(code);
      return concept ? [concept] : found;
    },
  };
}

/** A category alone is a code in brackets or behind a mark: "(I10)", "HTN - I10". */
function isMarked(text: string, start: number, end: number): boolean {
  return (
    (/[([{]\s?$/.test(text.slice(Math.max(0, start - 2), start)) &&
      /^\s?[)\]};,]/.test(text.slice(end, end + 2))) ||
    /(?:^|\n|[–:|-]\s|\t)$/.test(text.slice(Math.max(0, start - 2), start))
  );
}

function firstFrom(codes: readonly TypedCode[], from: number): number {
  let low = 0;
  let high = codes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (codes[middle]!.start < from) low = middle + 1;
    else high = middle;
  }
  return low;
}
