import { tokenize } from '../1-segment/tokens.js';
import {
  type Lexicon,
  type LexiconHit,
  type LexiconRow,
  loadLexicon,
  SYSTEMS,
} from '../2-mention/lexicon.js';
import { FLAG } from '../2-mention/lexicon-file.js';
import { Recent } from '../2-mention/recent.js';
import { isSeenOnly } from '../2-mention/trust.js';
import type { AnnotatedText, Attribute, Concept, Mention, MentionType, Token } from '../model.js';
import type { NlpStage } from '../pipeline.js';
import { isPartOfLongerName, tagOfName } from './context.js';
import { codeDrug } from './drugs.js';
import { createIcd10cm, type Icd10cm } from './icd10cm.js';
import { completion, longerNamesOf, neighboursOf } from './neighbours.js';
import { createProductIndex } from './products.js';
import { DOUBTFUL, EXACT, ranked, type Scored } from './ranking.js';
import { CIGARETTES, NICOTINE, speaksOfCigarettes } from './social.js';
import { createTermSearch, type LongerNames, type TermSearch } from './terms.js';
import { type TypedCodes, typedCodes } from './typed.js';
import { fitsUnit } from './units.js';

const RXNORM = 0;
const SNOMED = 1;
const ICD10CM = 2;
const LOINC = 3;
const CVX = 4;

/** Systems that a type of mention is coded in. */
const SYSTEMS_OF: Readonly<Partial<Record<MentionType, readonly number[]>>> = {
  medication: [RXNORM],
  allergen: [RXNORM, SNOMED],
  vaccine: [CVX],
  diagnosis: [ICD10CM, SNOMED],
  symptom: [ICD10CM, SNOMED],
  social: [SNOMED, ICD10CM],
  procedure: [SNOMED],
  test: [LOINC, SNOMED],
  'vital-sign': [LOINC],
  device: [SNOMED],
};

/** Types whose entries may code a mention: recognisers disagree on finding against disease. */
const ENTRY_TYPES_OF: Readonly<Partial<Record<MentionType, readonly MentionType[]>>> = {
  medication: ['medication'],
  allergen: ['medication', 'allergen', 'vaccine'],
  vaccine: ['vaccine'],
  diagnosis: ['diagnosis', 'symptom', 'social'],
  symptom: ['symptom', 'diagnosis', 'social'],
  social: ['social', 'symptom', 'diagnosis'],
  procedure: ['procedure', 'test'],
  test: ['test', 'procedure', 'vital-sign'],
  'vital-sign': ['vital-sign', 'test'],
  device: ['device', 'procedure'],
};

const COMPLETED = 0.99;
const COMPLETED_BESIDE = 0.985;
const SAME_WORDS = 0.95;
/** Names of one type that are kept with what they mean. */
const NAMES_KEPT = 4096;
const QUALIFIERS = new Set(['laterality', 'severity', 'acuity', 'body-site']);
const NO_TOKENS: readonly Token[] = [];
const NO_SCORES: readonly Scored[] = [];

function isQualifier({ type }: Attribute): boolean {
  return QUALIFIERS.has(type);
}

/** Finds the codes of mentions in one lexicon. */
export interface Coder {
  /** Ranked concepts, best first; the first of a system is its best. Empty beats wrong. */
  code(input: AnnotatedText, mention: Mention): Coded;
  /** The codes that the author of a note typed beside its findings; undefined where there are none. */
  typed(text: string): TypedCodes | undefined;
}

/** Stage `code`: standard codes for mentions, at the level that their words support. */
export function createCodeStage(lexicon?: Lexicon): NlpStage {
  let coder: Coder | undefined;
  let coderOf: Lexicon | undefined;
  return {
    name: 'code',
    needs: ['sentences', 'tokens', 'mentions', 'mentions.attributes'],
    adds: ['mentions.concepts'],
    run(input) {
      const current = lexicon ?? loadLexicon();
      if (!coder || coderOf !== current) {
        coder = createCoder(current);
        coderOf = current;
      }
      const found = coder;
      const typed = found.typed(input.text);
      return {
        ...input,
        mentions: input.mentions.map((given, index) => {
          const coded = withTyped(found.code(input, given), typed, given, input.mentions[index + 1]);
          const { reads, ...mention } = given;
          const concepts = coded.concepts.filter(
            (concept) => concept.system !== SYSTEMS[LOINC] || fitsUnit(concept, mention),
          );
          const { because } = coded;
          return concepts.length === 0
            ? mention
            : {
                ...mention,
                ...(coded.attributes ? { attributes: coded.attributes } : {}),
                concepts,
                because: { ...mention.because, ...(because ? { code: because } : {}) },
              };
        }),
      };
    },
  };
}

/** The stage with the lexicon that the package ships. */
export const codeStage: NlpStage = createCodeStage();

export function createCoder(lexicon: Lexicon): Coder {
  const products = createProductIndex(lexicon);
  const terms = createTermSearch(lexicon);
  const icd10cm = createIcd10cm(lexicon);
  const named = new Map<MentionType, Recent<Found>>();
  const official = new Map<MentionType, Recent<Found>>();
  const keptOf = (kept: Map<MentionType, Recent<Found>>, type: MentionType): Recent<Found> => {
    let ofType = kept.get(type);
    if (!ofType) {
      ofType = new Recent(NAMES_KEPT);
      kept.set(type, ofType);
    }
    return ofType;
  };
  return {
    typed: (text) => typedCodes(text, icd10cm.find),
    code(input, mention) {
      const systems = SYSTEMS_OF[mention.type];
      // No fact is made of what the tagger only saw, so its code need not be looked for.
      if (!systems || isSeenOnly(mention.because?.mention)) return { concepts: [] };
      const first = tokenAt(input.tokens, mention.start);
      let last = first;
      while (last < input.tokens.length && input.tokens[last]!.end <= mention.end) last++;
      if (last === first) return { concepts: [] };
      if (mention.type === 'medication' || mention.type === 'allergen') {
        const drug = codeDrug(lexicon, products, input, mention, first, last);
        if (drug.concepts.length > 0 || mention.type === 'medication') return drug;
      }
      if (isPartOfLongerName(input, mention, first, last)) return { concepts: [] };
      const isOfficial = input.tokens[last]?.norm === '(' && tagOfName(input, last) !== undefined;
      const beside = systems.includes(ICD10CM) && !isOfficial ? neighboursOf(input, first, last) : NO_TOKENS;
      const qualifiers = mention.attributes.some(isQualifier) ? mention.attributes.filter(isQualifier) : [];
      const said = mention.reads ? `${mention.text}|${mention.reads}` : mention.text;
      const key = qualifiers.length === 0 ? said : `${said}|${qualifiers.map(({ text }) => text).join()}`;
      const kept = keptOf(isOfficial ? official : named, mention.type);
      let found = kept.get(key);
      if (!found) {
        const own = mention.reads ? tokenize(mention.reads) : withoutTag(input.tokens.slice(first, last));
        const support = qualifiers.flatMap(({ start, end }) => tokensWithin(input.tokens, start, end));
        found = codeFinding(lexicon, terms, icd10cm, mention, own, support, systems);
        kept.set(key, found);
      }
      let { coded } = found;
      if (beside.length > 0) {
        const support = qualifiers.flatMap(({ start, end }) => tokensWithin(input.tokens, start, end));
        const longer = completion(terms, found.longer, support.length > 0 ? [...support, ...beside] : beside);
        if (longer) coded = withLonger(found, lexicon.row(longer.entry), icd10cm, longer.entry);
      }
      // An official name is one concept; where no table has it, a wider one of its system is not the one meant.
      const result = isOfficial
        ? {
            ...coded,
            concepts: coded.concepts.filter(
              ({ system, score }) => system !== SYSTEMS[SNOMED] || score >= EXACT,
            ),
          }
        : coded;
      return ofCigarettes(result, input, mention, icd10cm);
    },
  };
}

/** Concepts, and what decided them. */
interface Coded {
  /** In place of the mention's own. */
  readonly attributes?: readonly Attribute[];
  readonly concepts: Concept[];
  readonly because?: string;
}

/** What a mention's own words and qualifiers mean: thousands are kept, so nothing of the note is in it. */
interface Found {
  readonly coded: Coded;
  /** Where diseases have longer names: what is ranked anew with one of those. */
  readonly scored: readonly Scored[];
  /** Of the mention. */
  readonly side: string | undefined;
  /** The longer names of it, and of the diseases that it was found to mean. */
  readonly longer: readonly LongerNames[];
}

/** The same with the ICD-10-CM codes of a longer name among them. */
function withLonger(found: Found, row: LexiconRow, icd10cm: Icd10cm, entry: number): Coded {
  const more = scoresOf(row, COMPLETED_BESIDE, [ICD10CM], icd10cm, found.side);
  return { concepts: ranked([...found.scored, ...more]), because: `beside:${entry}` };
}

/** The concepts of an entry in these systems, in the order of the entry's trust in them. */
function scoresOf(
  row: LexiconRow,
  score: number,
  systems: readonly number[],
  icd10cm: Icd10cm,
  side: string | undefined,
): Scored[] {
  const doubtful = (row.flags & FLAG.ambiguous) !== 0 ? Math.min(score, DOUBTFUL) : score;
  let before = 0;
  return row.concepts.flatMap((concept, rank) => {
    if (!systems.includes(concept.system)) return [];
    // An official name may stand behind the codes of a classification; those are in order of trust.
    const place = concept.system === SNOMED ? before++ : rank;
    return [{ concept: icd10cm.refine(concept, side), score: doubtful - place * 0.001 }];
  });
}

/** What the author typed beside a finding comes before what its words say. */
function withTyped(
  coded: Coded,
  typed: TypedCodes | undefined,
  mention: Mention,
  next: Mention | undefined,
): Coded {
  if (!typed || (mention.type !== 'diagnosis' && mention.type !== 'symptom')) return coded;
  const concepts = typed.of(mention, next).map(({ system, code, display }) => ({
    system: SYSTEMS[system]!,
    code,
    display,
    score: 1,
  }));
  if (concepts.length === 0) return coded;
  const said = new Set<string>(concepts.map(({ system }) => system));
  return {
    ...coded,
    concepts: [...concepts, ...coded.concepts.filter(({ system }) => !said.has(system))],
    because: `typed:${concepts[0]!.code}`,
  };
}

/** A smoker of cigarettes depends on those. */
function ofCigarettes(coded: Coded, input: AnnotatedText, mention: Mention, icd10cm: Icd10cm): Coded {
  const nicotine = coded.concepts.find(({ code }) => code === NICOTINE);
  const cigarettes = icd10cm.named(CIGARETTES);
  if (!nicotine || !cigarettes || !speaksOfCigarettes(input.text, mention)) return coded;
  const { code, display } = cigarettes;
  return {
    ...coded,
    concepts: coded.concepts.map((concept) =>
      concept === nicotine ? { ...concept, code, display } : concept,
    ),
  };
}

/** Drops what follows an opening bracket: the semantic tag of an official name, "viral sinusitis (disorder)". */
function withoutTag(tokens: readonly Token[]): readonly Token[] {
  const at = tokens.findIndex((token) => token.norm === '(' || token.norm === '[');
  return at > 0 && !tokens.slice(at).some((token) => token.norm === ')' || token.norm === ']')
    ? tokens.slice(0, at)
    : tokens;
}

/** Number of the first token that ends after `offset`. */
function tokenAt(tokens: readonly Token[], offset: number): number {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (tokens[middle]!.end <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function tokensWithin(tokens: readonly Token[], start: number, end: number): Token[] {
  const result: Token[] = [];
  for (let at = tokenAt(tokens, start); at < tokens.length && tokens[at]!.start < end; at++)
    result.push(tokens[at]!);
  return result;
}

function codeFinding(
  lexicon: Lexicon,
  terms: TermSearch,
  icd10cm: Icd10cm,
  mention: Mention,
  own: readonly Token[],
  support: readonly Token[],
  systems: readonly number[],
): Found {
  const types = ENTRY_TYPES_OF[mention.type] ?? [mention.type];
  const side = mention.attributes.find((each) => each.type === 'laterality')?.normalized;
  const scored: Scored[] = [];
  let because: string | undefined;
  const take = (row: LexiconRow, score: number, why: string): void => {
    scored.push(...scoresOf(row, score, systems, icd10cm, side));
    because ??= why;
  };
  const hit = wholeHit(lexicon.match(own), own.length);
  if (hit) {
    const rows = types.flatMap((type) => hit.rows.filter((row) => row.type === type));
    for (const row of rows)
      take(row, EXACT, `lexicon:${row.entry}${hit.corrected ? ` for ${hit.corrected}` : ''}`);
  }
  const covered = (): Set<number> => new Set(scored.map((each) => each.concept.system));
  const exact = covered();
  if (support.length > 0 || systems.some((system) => !exact.has(system))) {
    for (const match of terms.find(own, support, types)) {
      const row = lexicon.row(match.entry);
      // Words beside the mention that complete a longer name make it the better one: "acute" + "bronchitis".
      const score = match.score >= 0.999 && match.extra > 0 ? COMPLETED : match.score * SAME_WORDS;
      take(row, score, `words:${row.entry}`);
    }
  }
  return {
    coded: { concepts: ranked(scored), ...(because ? { because } : {}) },
    scored: systems.includes(ICD10CM) ? scored : NO_SCORES,
    side,
    longer: systems.includes(ICD10CM) ? longerNamesOf(terms, own, namesIn(scored), types) : [],
  };
}

/** Names of the diseases that a mention was found to mean. */
function namesIn(scored: readonly Scored[]): string[] {
  return scored
    .filter(({ concept }) => concept.system === ICD10CM || concept.system === SNOMED)
    .map(({ concept }) => concept.display);
}

function wholeHit(hits: readonly LexiconHit[], length: number): LexiconHit | undefined {
  return hits.length === 1 && hits[0]!.firstToken === 0 && hits[0]!.lastToken === length
    ? hits[0]
    : undefined;
}
