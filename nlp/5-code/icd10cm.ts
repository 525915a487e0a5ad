import type { Lexicon } from '../2-mention/lexicon.js';
import type { LexiconConcept } from '../2-mention/lexicon-file.js';

const ICD10CM = 2;
const SIDE_WORDS: Readonly<Record<string, RegExp>> = {
  '7771000': /\bleft\b/i,
  '24028007': /\bright\b/i,
  '51440002': /\bbilateral\b/i,
};

const RESIDUAL = /unspecified|not specified|not having achieved|without/i;

/** Moves between an ICD-10-CM code and the codes below and beside it. */
export interface Icd10cm {
  /**
   * The code that says no more and no less: the named side (SNOMED CT code of laterality) where the code has
   * sides, and the "unspecified" code below a heading where that is all it adds.
   */
  refine(concept: LexiconConcept, side: string | undefined): LexiconConcept;
  /** The concept of a code of this system, where the lexicon has it. */
  find(system: number, code: string): LexiconConcept | undefined;
  /** The concept of one of the few codes that rules name, where the lexicon has it. */
  named(code: string): LexiconConcept | undefined;
}

export function createIcd10cm(lexicon: Lexicon): Icd10cm {
  const { tables } = lexicon;
  const cache = new Map<string, LexiconConcept>();
  /** Of the few codes that rules name. */
  const byCode = new Map<string, LexiconConcept | undefined>();

  /** Number of the first concept that is not before (system, code). */
  const place = (system: number, code: string): number => {
    let low = 0;
    let high = tables.conceptCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const concept = tables.glance(middle);
      if (concept.system < system || (concept.system === system && concept.code < code)) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  const below = (prefix: string): LexiconConcept[] => {
    const result: LexiconConcept[] = [];
    for (let at = place(ICD10CM, prefix); at < tables.conceptCount && result.length < 300; at++) {
      const concept = tables.glance(at);
      if (concept.system !== ICD10CM || !concept.code.startsWith(prefix)) break;
      const next = at + 1 < tables.conceptCount ? tables.concept(at + 1) : undefined;
      // Codes that only an encounter completes (S72.002A, initial) are not kept: the one above stands for them.
      const leaf = next?.system !== ICD10CM || !next.code.startsWith(concept.code);
      result.push(leaf && concept.kind === 'header' ? { ...concept, kind: 'billable' } : concept);
    }
    return result;
  };

  /** "Esophageal varices" are I85.00, without bleeding: the code of noughts or nines that says that nothing more is said. */
  const residual = ({ code, display }: LexiconConcept): LexiconConcept | undefined =>
    below(code).find(
      (other) =>
        other.kind === 'billable' &&
        /^\.?(?:0+|0?9|90|19)$/.test(other.code.slice(code.length)) &&
        saysNoMore(other.display, display),
    );

  const sided = (concept: LexiconConcept, side: string | undefined): LexiconConcept => {
    const pattern = side === undefined ? undefined : SIDE_WORDS[side];
    if (pattern) {
      const parent =
        below(concept.code).length > 1
          ? concept.code
          : /\bunspecified\b/i.test(concept.display)
            ? concept.code.slice(0, -1)
            : undefined;
      if (parent !== undefined && parent.length >= 3) {
        const plain = sideless(concept.display);
        const codes = below(parent).filter(
          (other) =>
            other.kind === 'billable' && pattern.test(other.display) && sideless(other.display) === plain,
        );
        if (codes.length === 1) return codes[0]!;
      }
    }
    if (concept.kind !== 'header') return concept;
    const plain = unspecific(concept.display);
    const billable = below(concept.code).filter(
      (other) =>
        other.kind === 'billable' &&
        unspecific(other.display) === plain &&
        /unspecified|not specified|NOS|without complication|uncomplicated/i.test(other.display),
    );
    return billable[0] ?? residual(concept) ?? concept;
  };

  return {
    find(system, code) {
      const at = place(system, code);
      const concept = at < tables.conceptCount ? tables.concept(at) : undefined;
      return concept?.code === code && concept.system === system ? concept : undefined;
    },
    named(code) {
      if (!byCode.has(code)) {
        const at = place(ICD10CM, code);
        const concept = at < tables.conceptCount ? tables.concept(at) : undefined;
        byCode.set(code, concept?.code === code ? concept : undefined);
      }
      return byCode.get(code);
    },
    refine(concept, side) {
      if (concept.system !== ICD10CM) return concept;
      const key = `${concept.code}|${side ?? ''}`;
      let refined = cache.get(key);
      if (!refined) {
        refined = sided(concept, side);
        cache.set(key, refined);
      }
      return refined;
    },
  };
}

/** Whether all that a name adds to its heading's is that nothing more is said: "of unspecified hip, unstageable" adds. */
function saysNoMore(display: string, heading: string): boolean {
  if (display.startsWith(heading)) return RESIDUAL.test(display.slice(heading.length));
  const [first = '', ...more] = display.split(', ');
  return (RESIDUAL.test(first) || more.length > 0) && more.every((part) => RESIDUAL.test(part));
}

/** A name without its side; a fracture not said to be displaced or not is displaced (guideline I.C.19.c). */
function sideless(display: string): string {
  return display
    .toLowerCase()
    .replace(/^displaced /, '')
    .replace(/,? ?\b(?:unspecified|left|right|bilateral)\b(?: (?:side|ear|eye))?/g, ' ')
    .replace(/\b(?:ears?|eyes?|side)\b/g, ' ')
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();
}

/** A name without what "unspecified" adds. */
function unspecific(display: string): string {
  return display
    .toLowerCase()
    .replace(/\s*\[[^\]]*\]/g, '')
    .replace(
      /,? ?unspecified(?: (?:ear|eye|side|site|organism|type|severity|trimester|shoulder|knee|hip|joint|limb|part))?/g,
      ' ',
    )
    .replace(/,? (?:not specified|uncomplicated|without complications?)/g, ' ')
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();
}
