import { exactTitle, titleByKeyword } from '../1-segment/titles.js';
import { tokenize } from '../1-segment/tokens.js';
import type { AnnotatedText, Mention, MentionType, Token } from '../model.js';
import type { NlpStage } from '../pipeline.js';
import { readRules } from '../rules/load.js';
import { isDeed, tagOfName } from './context.js';
import { isCircumstance, isSubstanceUse, statesUse } from './social.js';

/** Why a mention became no resource. Stable: they are stored with annotations. */
export type RefusalReason =
  | 'negated'
  | 'uncertain'
  | 'family'
  | 'other-person'
  | 'hypothetical'
  | 'conditional'
  | 'planned'
  | 'low-score'
  | 'not-a-fact'
  | 'allergy-list';

/** One row of `rules/gate.json`: words beside a mention that make something else of it (`digoxin level`). */
export interface GateRow {
  readonly types: readonly MentionType[];
  readonly next?: readonly string[];
  readonly before?: readonly string[];
  /** Words up to the mention's end, its own among them: `97% RA`, `pedal pulses`. */
  readonly ending?: readonly string[];
  /** Words that may stand between the mention and `next`: `gonorrhea infection test`. */
  readonly across?: readonly string[];
  /** The row does not hold for a mention with a value: `radial pulse 72` is a heart rate all the same. */
  readonly unlessValue?: boolean;
  readonly reason: RefusalReason;
  readonly example: string;
}

interface Words {
  readonly words: readonly string[];
  readonly row: GateRow;
}

const next = new Map<string, Words[]>();
const before = new Map<string, Words[]>();
const ending = new Map<string, Words[]>();
const bridges = new Set<string>();
for (const row of readRules<GateRow[]>('gate.json')) {
  for (const phrase of row.next ?? []) add(next, phrase, row, 0);
  for (const word of row.across ?? []) bridges.add(word);
  for (const phrase of row.before ?? []) add(before, phrase, row, -1);
  for (const phrase of row.ending ?? []) add(ending, phrase, row, -1);
}

function add(table: Map<string, Words[]>, phrase: string, row: GateRow, keyAt: number): void {
  const words = tokenize(phrase).map((token) => token.norm);
  const key = words.at(keyAt)!;
  const known = table.get(key);
  if (known) known.push({ words, row });
  else table.set(key, [{ words, row }]);
}

/** Lowest score with which a mention may become a fact, with a code and without one. */
const CODED_MIN_SCORE = 0.5;
const UNCODED_MIN_SCORE = 0.6;

/**
 * Stage `gate`: decides which mentions may become facts about the patient, and says why the others may not.
 * What a family member has is accepted as family history, what someone is allergic to as an allergy, what was
 * stopped with its status; everything denied, doubted, foreseen or foreign is refused. Words of section titles are
 * no mentions at all.
 */
export const gate: NlpStage = {
  name: 'gate',
  needs: ['sections', 'tokens', 'mentions', 'mentions.assertion', 'mentions.concepts'],
  adds: ['mentions.accepted'],
  run(input) {
    const mentions = input.mentions.filter((mention) => !isTitleWord(mention, input));
    const reactions = reactionsIn(mentions);
    return { ...input, mentions: mentions.map((mention) => judged(mention, input, reactions)) };
  },
};

/** `Alcohol: 20 units/week`, `MRI brain 2/2/2026:`: the title itself says what is used or was done. */
function saysItself({ type, attributes }: Mention): boolean {
  const said = type === 'social' ? 'value' : type === 'procedure' ? 'date' : undefined;
  return said !== undefined && attributes.some((each) => each.type === said);
}

/** A word of a known title (`COMPLICATIONS:`) speaks of the section, not of the patient. */
function isTitleWord(mention: Mention, input: AnnotatedText): boolean {
  const section = mention.section === undefined ? undefined : input.sections[mention.section];
  if (!section || mention.start >= section.bodyStart) return false;
  if (saysItself(mention)) return false;
  return exactTitle(section.title) !== undefined || titleByKeyword(section.title) !== undefined;
}

/** Where the reactions stand that allergens of the note cause: `allergic to trimethoprim (rash)`. */
function reactionsIn(mentions: readonly Mention[]): ReadonlySet<number> {
  const starts = new Set<number>();
  for (const { type, attributes } of mentions)
    if (type === 'allergen')
      for (const each of attributes) if (each.type === 'reaction') starts.add(each.start);
  return starts;
}

function judged(mention: Mention, input: AnnotatedText, reactions: ReadonlySet<number>): Mention {
  const refused =
    FINDINGS.has(mention.type) && reactions.has(mention.start)
      ? refuse('allergy-list', 'reaction')
      : refusal(mention, input);
  const because = { ...mention.because, gate: refused ? refused.rule : 'accepted' };
  if (!refused) {
    const { assertion } = mention;
    // `Plan: DM2, A1c 9.1`: what has a value was measured.
    const current = assertion.temporality === 'planned' && isMeasured(mention);
    return {
      ...mention,
      ...(current && { assertion: { ...assertion, temporality: 'current' as const } }),
      accepted: true,
      reason: undefined,
      because,
    };
  }
  return { ...mention, accepted: false, reason: refused.reason, because };
}

/** `Eats tree nuts`: something that some are allergic to, of which nothing like it is said. */
function saysAllergy(mention: Mention, section: string | undefined): boolean {
  return (
    section === 'allergies' ||
    /allerg|intoler|nk|reaction|sensitiv/i.test(mention.text) ||
    mention.because?.assertion?.includes('allergen') === true ||
    mention.attributes.some(({ type }) => type === 'reaction')
  );
}

const FINDINGS = new Set<MentionType>(['diagnosis', 'symptom', 'social']);

interface Refusal {
  readonly reason: RefusalReason;
  readonly rule: string;
}

function refuse(reason: RefusalReason, rule: string = reason): Refusal {
  return { reason, rule };
}

function refusal(mention: Mention, input: AnnotatedText): Refusal | undefined {
  const section = mention.section === undefined ? undefined : input.sections[mention.section];
  if (mention.type === 'phi') return refuse('not-a-fact', 'phi');
  const tag = FINDINGS.has(mention.type)
    ? tagOfName(input, firstTokenFrom(input.tokens, mention.end))
    : undefined;
  if (isDeed(tag)) return refuse('not-a-fact', 'name of a procedure');
  if (
    mention.type === 'social' &&
    !isSubstanceUse(mention.text) &&
    !isCircumstance(mention, section?.kind, tag)
  )
    return refuse('not-a-fact', 'social');
  if (section && mention.start < section.bodyStart && exactTitle(section.title) && !saysItself(mention))
    return refuse('not-a-fact', 'header');
  const { polarity, temporality, experiencer } = mention.assertion;
  if (experiencer === 'other') return refuse('other-person');
  if (polarity === 'negated') return refuse('negated');
  // `GAD-7`, `PHQ-9`: questionnaires.
  if (FINDINGS.has(mention.type) && /^-\d/.test(input.text.slice(mention.end, mention.end + 2)))
    return refuse('not-a-fact', 'numbered name');
  if (NAMES.has(mention.type) && isPartOfName(mention, input)) return refuse('not-a-fact', 'name of a place');
  if (FINDINGS.has(mention.type) && isSigned(mention, input.text))
    return refuse('not-a-fact', 'name of a person');
  if (FINDINGS.has(mention.type) && isTestedWithOther(mention, input.text))
    return refuse('not-a-fact', 'beside:testing');
  const beside = besideRule(mention, input);
  if (beside) return beside;
  if (temporality === 'hypothetical') return refuse('hypothetical');
  if (temporality === 'conditional') return refuse('conditional');
  if (temporality === 'planned' && !isMeasured(mention)) return refuse('planned');
  if (polarity === 'possible') return refuse('uncertain');
  if (experiencer === 'family' && mention.type !== 'diagnosis') return refuse('family');
  if (section?.kind === 'allergies' && (mention.type === 'diagnosis' || mention.type === 'symptom')) {
    return refuse('allergy-list');
  }
  // "Smoking cessation", "alcohol swab": the substance alone says nothing of its use.
  if (
    mention.type === 'social' &&
    mention.concepts.length === 0 &&
    !mention.attributes.some(({ type }) => type === 'value') &&
    !statesUse(input.text, mention)
  )
    return refuse('not-a-fact', 'social');
  if (mention.type === 'allergen' && !saysAllergy(mention, section?.kind))
    return refuse('not-a-fact', 'no allergy');
  if (mention.type === 'procedure' && isRelease(mention, input))
    return refuse('not-a-fact', 'form of a drug');
  if (mention.type === 'procedure' && mention.concepts.length === 0 && !namesProcedure(mention))
    return refuse('low-score', 'no name of a procedure');
  if (mention.type === 'medication' && isSusceptibility(mention, input.text))
    return refuse('not-a-fact', 'susceptibility');
  if (
    mention.type === 'medication' &&
    (isLevelWithOther(mention, input.text) ||
      isMeasuredSubstance(mention, input.text) ||
      isResult(mention, input.text) ||
      isFitness(mention, input.text))
  )
    return refuse('not-a-fact', 'level');
  if (isThreshold(mention, input.text)) return refuse('conditional', 'threshold');
  if (mention.score < (mention.concepts.length > 0 ? CODED_MIN_SCORE : UNCODED_MIN_SCORE))
    return refuse('low-score');
  return undefined;
}

/** One row of `rules/procedure-heads.json`. */
export interface ProcedureHeadRow {
  readonly words?: string;
  readonly endings?: string;
  readonly example: string;
}

const heads = readRules<ProcedureHeadRow[]>('procedure-heads.json');
const headWords = new Set(heads.flatMap(({ words }) => words?.split(' ') ?? []));
const headEndings = heads.flatMap(({ endings }) => endings?.split(' ') ?? []);

/**
 * What the model alone takes for a procedure must be called one: in the prose of operations it is too sure of "angled
 * tube" and "nice coverage".
 */
function namesProcedure(mention: Mention): boolean {
  if (!mention.because?.mention?.startsWith('model:')) return true;
  return tokenize(mention.text).some(
    ({ norm }) => headWords.has(norm) || headEndings.some((ending) => norm.endsWith(ending)),
  );
}

/** `metformin XR`: how a drug is released, no X-ray. */
function isRelease({ text, start }: Mention, { mentions }: AnnotatedText): boolean {
  if (text.length > 2) return false;
  let ends = drugEnds.get(mentions);
  if (!ends) {
    ends = new Set(mentions.filter(({ type }) => type === 'medication').map(({ end }) => end));
    drugEnds.set(mentions, ends);
  }
  return ends.has(start - 1);
}

const drugEnds = new WeakMap<readonly Mention[], ReadonlySet<number>>();

function isMeasured(mention: Mention): boolean {
  if (mention.type !== 'test' && mention.type !== 'vital-sign') return false;
  return mention.attributes.some(({ type, normalized }) => type === 'value' && /^\d/.test(normalized ?? ''));
}

/** `Trimethoprim R, gentamicin S`: what a culture resists, in the letters of laboratories. */
const SUSCEPTIBILITY =
  /[ \t]{0,8}[:=(|-]?[ \t]{0,8}[SRI](?:\b(?![./&-]\w)(?=[ \t]{0,3}(?:[,;.)|\n]|$|\())|[ \t]{0,8}\))/y;

function isSusceptibility(mention: Mention, text: string): boolean {
  SUSCEPTIBILITY.lastIndex = mention.end;
  return SUSCEPTIBILITY.test(text);
}

/** `Salicylate and paracetamol levels` */
const LEVEL_WITH_OTHER = /(?:,[ ][a-z]+)?,?[ ](?:and|or)[ ][a-z]+[ ](?:levels?|concentrations?|troughs?)\b/iy;

function isLevelWithOther(mention: Mention, text: string): boolean {
  LEVEL_WITH_OTHER.lastIndex = mention.end;
  return LEVEL_WITH_OTHER.test(text);
}

/** `B12 is 480`, `vitamin D was 18 ng/mL`: a number that is no dose. */
const MEASURED =
  /[ ](?:(?:is|was|were|came[ ]back(?:[ ]at)?|of|=)[ ][<>]?|[<>][ ]?)\d+(?:\.\d+)?(?!\d|\.\d|[ ]?(?:mg|mcg|g|units?|iu|tabs?|tablets?|capsules?|ml|puffs?|drops?|%|x|times?|days?|weeks?|months?|years?|doses?|hours?|h|out[ ]of|\/|-)(?![a-z/])|[ ](?:mg|mcg)\b(?!\/[dm]l))/iy;

function isMeasuredSubstance(mention: Mention, text: string): boolean {
  MEASURED.lastIndex = mention.end;
  return MEASURED.test(text);
}

/** `B12 and folate normal`, `salicylate was undetectable`: what a laboratory says of a substance. */
const RESULT =
  /(?:[ ](?:and|or|\/)[ ][a-z]+)?[ ](?:is[ ]|was[ ]|were[ ]|are[ ]|came[ ]back[ ]|levels?[ ]|remains[ ])?(?:normal|low|high|elevated|wnl|within[ ]normal|deficient|undetect(?:able|ed)|not[ ]detected|negative|positive|subtherapeutic|supratherapeutic|replete|\d+(?:\.\d+)?[ ]?(?:ng\/ml|mcg\/ml|\((?:goal|target|ref|range|normal)))(?![ ]?(?:-|dose|dosage|strength|intensity|potency|flow|risk|in[ ]))\b/iy;

function isResult(mention: Mention, text: string): boolean {
  RESULT.lastIndex = mention.end;
  return RESULT.test(text);
}

/** `Chlamydia and gonorrhoea screening` */
const TESTED_WITH_OTHER =
  /(?:,[ ][a-z]+)?[ ]?(?:,|\/|and|or|&)[ ]?[a-z]+[ ](?:screen(?:ing|s)?|test(?:s|ing)?|serolog(?:y|ies)|antibod(?:y|ies)|vaccines?|vaccinations?|prophylaxis|precautions|tit(?:er|re)s?|cultures?|swabs?|bloods|pcrs?|naats?)\b/iy;

function isTestedWithOther(mention: Mention, text: string): boolean {
  TESTED_WITH_OTHER.lastIndex = mention.end;
  return TESTED_WITH_OTHER.test(text);
}

/** `Signed: J. Fever, RN` */
const DEGREE = /,[ ](?:RN|MD|DO|NP|PA(?:-C)?|LPN|PhD|CNA|RD|PT|OT|MSW|MBBS)\b/y;

function isSigned(mention: Mention, text: string): boolean {
  DEGREE.lastIndex = mention.end;
  return DEGREE.test(text) && /\p{Lu}\.[ ]$/u.test(text.slice(Math.max(0, mention.start - 3), mention.start));
}

/** `ASA 2`, `ASA class III`: how fit someone is for an anaesthetic; aspirin comes in other strengths. */
const FITNESS = /[ ](?:class[ ]|ps[ ]|grade[ ])?(?:[1-5]E?|I{1,3}|IV|V)(?![\w/]|\.\d|[ ](?:tab|pill|mg|x))/iy;

function isFitness(mention: Mention, text: string): boolean {
  if (mention.text !== 'ASA') return false;
  FITNESS.lastIndex = mention.end;
  return FITNESS.test(text);
}

const COMPARED = /^[<>≤≥]/;
const CONDITION =
  /\b(?:for|if|when|until|unless|keep|maintain|goal|target)(?:\s+(?:\S+\s+)?|\b[^.;\n]{0,60}\b(?:or|and)\s+)$/i;
const CONDITION_REACH = 80;

/** "Hold for SBP < 100 or HR < 55": what would be, not what was measured. */
function isThreshold(mention: Mention, text: string): boolean {
  if (mention.type !== 'vital-sign' && mention.type !== 'test') return false;
  const value = mention.attributes.find(({ type }) => type === 'value')?.normalized;
  if (value === undefined || !COMPARED.test(value)) return false;
  return CONDITION.test(text.slice(Math.max(0, mention.start - CONDITION_REACH), mention.start));
}

function besideRule(mention: Mention, { tokens, text }: AnnotatedText): Refusal | undefined {
  const last = firstTokenFrom(tokens, mention.end);
  const ends = tokens[last] === undefined || text.slice(mention.end, tokens[last]!.start).includes('\n');
  let after = last;
  // `insulin-dependent` is written with a hyphen as often as without.
  if (tokens[after]?.norm === '-' && tokens[after]!.start === mention.end) after++;
  // What begins the next line (`PMH: OA` over `Meds:`) is not beside it.
  const following =
    (ends ? undefined : (matched(next, tokens, after, 1, mention) ?? acrossRule(mention, tokens, after))) ??
    matched(ending, tokens, last - 1, -1, mention);
  if (following) return following;
  let first = firstTokenFrom(tokens, mention.start) - 1;
  if (tokens[first]?.norm === '-' && tokens[first]!.end === mention.start) first--;
  return matched(before, tokens, first, -1, mention);
}

const NAMES = new Set<MentionType>(['diagnosis', 'symptom', 'medication']);
const INSTITUTIONS = new Set(
  'study institute clinic center centre village foundation program programme house home homes hospital school society trial registry unit ward college university association alliance consortium academy council camp network'.split(
    ' ',
  ),
);
const NAME_MAX_TOKENS = 6;

/** `Alzheimer's Care Village`, `the Stroke and Aging Institute`: capitals up to a word for a place or an undertaking. */
function isPartOfName(mention: Mention, { tokens, text }: AnnotatedText): boolean {
  if (!/^\p{Lu}/u.test(mention.text)) return false;
  let at = firstTokenFrom(tokens, mention.end);
  for (let k = 0; k < NAME_MAX_TOKENS; k++, at++) {
    const token = tokens[at];
    if (!token) return false;
    if (NAME_LINKS.has(token.norm)) continue;
    if (!/^\p{Lu}\p{Ll}/u.test(text.slice(token.start, token.start + 2))) return false;
    if (INSTITUTIONS.has(token.norm)) return true;
  }
  return false;
}

const NAME_LINKS = new Set(['and', 'of', 'for', '&', "'s", 'the']);

const ACROSS_MAX_TOKENS = 3;

/** `measurement of varicella-zoster virus antibody`: what follows the whole name of the germ or disease. */
function acrossRule(mention: Mention, tokens: readonly Token[], after: number): Refusal | undefined {
  for (let at = after; at < after + ACROSS_MAX_TOKENS; at++) {
    const norm = tokens[at]?.norm;
    if (norm === undefined || !bridges.has(norm)) return undefined;
    const found = matched(next, tokens, at + 1, 1, mention, norm);
    if (found) return found;
  }
  return undefined;
}

function matched(
  table: Map<string, Words[]>,
  tokens: readonly Token[],
  at: number,
  step: 1 | -1,
  mention: Mention,
  bridge?: string,
): Refusal | undefined {
  const key = tokens[at]?.norm;
  if (key === undefined) return undefined;
  for (const { words, row } of table.get(key) ?? []) {
    if (!row.types.includes(mention.type)) continue;
    if (bridge !== undefined && !row.across?.includes(bridge)) continue;
    if (row.unlessValue && mention.attributes.some(({ type }) => type === 'value')) continue;
    const start = step === 1 ? at : at - words.length + 1;
    if (words.every((word, k) => tokens[start + k]?.norm === word))
      return refuse(row.reason, `beside:${words.join(' ')}`);
  }
  return undefined;
}

/** Index of the first token that ends after `offset`. */
function firstTokenFrom(tokens: readonly Token[], offset: number): number {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokens[middle]!.end <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
