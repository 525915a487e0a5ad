import type { Attribute, Mention, Sentence, Token } from '../model.js';
import type { Reviser } from './directions.js';
import { type Found, scanSignature } from './signature-scan.js';
import { statusOf } from './status.js';

/** A stretch of text whose medications share one signature line. */
export interface SignatureRegion {
  readonly start: number;
  readonly end: number;
  /** Indices into the mentions, in order of place. */
  readonly drugs: readonly number[];
  /** Tokens of the region, half-open. */
  readonly firstToken: number;
  readonly lastToken: number;
  /** A row of a list or table is in it. */
  readonly listItem: boolean;
}

/** Words between an attribute and a drug that keep them together: "10 mg of oral prednisone". */
const BINDING =
  /^[\s(-]*(?:(?:of|the|a|an|his|her|dose|doses|dosage|dosages|therapy|treatment|treatments|administration|administrations|use|course|courses|cycles?|injections?|infusions?|tablets?|with|by|using|and|or|plus|regimen|intake|ingestion|application|bolus|total|combination|usage|agent|drug|exposure|from|total|taking|receiving|combined|bottles?|in|added|continued|daily|each|including|intermittent|concomitant|adjuvant|systemic|generic|long-acting|short-acting|iv|initiation|dosing|antibiotic|chemotherapy|monotherapy|started|starting|on|her|to|recombinant|human|pegylated|liposomal|unfractionated|low-molecular-weight|delivered|administered|given|infused|injected|applied)[\s(-]*)*$/i;
/** "Ingestion of the antifungal drug X", "orally administered X": any words of the phrase up to its drug. */
const PHRASE =
  /^(?!.*\b(?:for|who|which|that|was|were|is|are|had|has|developed|because|after|during|in|part)\b)[^.;:,()\n]{0,30}\b(?:of|with|administered|containing)\s[^.;:,()\n]{0,45}$/i;
/** What may stand between two drugs given alike: "aspirin and clopidogrel daily". */
const COORDINATED = /^\s*(?:,|and|or|\/|\+|plus|with|,\s*and|&|-|\()\s*$/i;
const SHARED = new Set(['route', 'frequency', 'duration', 'prn']);
const LEFT_LIMIT = 90;
const DOSE_LEFT_LIMIT = 40;
const NEAR_LIMIT = 70;
const FAR_LIMIT = 240;
/** What stands between a drug and directions that are clearly its own: a new row, a colon, a verb of taking. */
const SIGNATURE_ROW = /\n|\b(?:sig|take|takes|use|apply|inject|instill|inhale|dose|dosage)\b/i;

/** Ties what the directions say to the right drug; the result is by index of mention. */
export function attachSignatures(
  text: string,
  mentions: readonly Mention[],
  regions: readonly SignatureRegion[],
  tokens: readonly Token[],
  revise: Reviser,
): Map<number, Attribute[]> {
  const result = new Map<number, Attribute[]>();
  for (const region of regions) attachRegion(text, mentions, region, tokens, result, revise);
  return result;
}

/** What the rules found in a region, and whose it is. */
export interface Ties {
  readonly drugs: readonly DrugPlace[];
  readonly found: readonly Found[];
  /** Position in `drugs`. */
  readonly owners: ReadonlyMap<Found, number>;
}

/** "Intravenous immunoglobulin", "tolazoline infusion": the route is part of what the drug is called. */
function isInName(each: Found, drug: DrugPlace): boolean {
  return (
    (each.type === 'route' || (each.type === 'dose' && each.normalized === undefined)) &&
    each.start >= drug.start &&
    each.end <= drug.end &&
    each.end - each.start < drug.end - drug.start
  );
}

const VEHICLE = /^(?:ns\b|d5w?\b|lr\b|(?:normal |half[- ])?saline|dextrose|lactated|sterile water|0\.9)/i;

/** "Vancomycin 1 g in 250 mL NS q12h": what it is given in has no directions of its own. */
function isVehicle(text: string, { start, end }: DrugPlace): boolean {
  return (
    VEHICLE.test(text.slice(start, end)) &&
    /\s(?:in|with)\s(?:\d+\s?(?:ml|cc|l)\s(?:of\s)?)?$/i.test(text.slice(Math.max(0, start - 16), start))
  );
}

/** Reads a region by the rules alone. */
export function tieByRules(text: string, mentions: readonly Mention[], region: SignatureRegion): Ties {
  const drugs = region.drugs
    .map((index) => ({ index, start: mentions[index]!.start, end: mentions[index]!.end }))
    .filter((drug, at) => at === 0 || !isVehicle(text, drug));
  const found = scanSignature(text, region.start, region.end, drugs).filter(
    (each) =>
      !drugs.some(
        (drug) =>
          each.start < drug.end &&
          each.end > drug.start &&
          !(each.end > drug.end && each.start >= drug.start) &&
          !isInName(each, drug),
      ),
  );
  const owners = new Map<Found, number>();
  found.forEach((each, at) => {
    const owner = ownerOf(text, each, at, found, drugs, owners);
    if (owner === undefined || isFar(text, each, drugs[owner]!, found, owners, owner)) return;
    owners.set(each, owner);
  });
  return { drugs, found, owners };
}

function attachRegion(
  text: string,
  mentions: readonly Mention[],
  region: SignatureRegion,
  tokens: readonly Token[],
  result: Map<number, Attribute[]>,
  revise: Reviser,
): void {
  const ruled = tieByRules(text, mentions, region);
  const { drugs, found, owners } = revise(text, region, tokens, ruled);
  for (const each of found) {
    const owner = owners.get(each);
    if (owner === undefined) continue;
    give(result, drugs[owner]!.index, typed(text, each, drugs[owner]!, found));
    for (const other of namesOf(text, owner, drugs))
      give(result, drugs[other]!.index, typed(text, each, drugs[other]!, found));
    if (owner > 0 && isOfWhatItIs(text, each, drugs[owner - 1]!, drugs[owner]!))
      give(result, drugs[owner - 1]!.index, each);
    if (!SHARED.has(each.type)) continue;
    const forward = each.start < drugs[owner]!.start ? 1 : -1;
    for (let other = owner + forward; other >= 0 && other < drugs.length; other += forward) {
      const [left, right] =
        forward > 0 ? [drugs[other - 1]!, drugs[other]!] : [drugs[other]!, drugs[other + 1]!];
      if (
        !COORDINATED.test(text.slice(left.end, right.start)) &&
        !(isCycle(each) && COORDINATED.test(stripPerBody(text, left.end, right.start, found)))
      )
        break;
      give(result, drugs[other]!.index, typed(text, each, drugs[other]!, found));
    }
  }
  for (const [at, drug] of drugs.entries()) {
    const before = at === 0 ? region.start : drugs[at - 1]!.end;
    const after = at + 1 < drugs.length ? drugs[at + 1]!.start : region.end;
    const status = statusOf(text, before, drug.start, drug.end, after);
    if (status) give(result, drug.index, status);
  }
  shareBetweenNames(mentions, region, result);
}

const DIRECTIONS: ReadonlySet<string> = new Set(['strength', 'dose', 'route', 'frequency', 'duration']);
const MIN_NAME = 3;

/** "During lithium therapy, while she has been on lithium for 6 years": said of one name, it is said of the same drug. */
function shareBetweenNames(
  mentions: readonly Mention[],
  { drugs }: SignatureRegion,
  result: Map<number, Attribute[]>,
): void {
  if (drugs.length < 2) return;
  const directed = (index: number): boolean =>
    result.get(index)?.some(({ type }) => DIRECTIONS.has(type)) ?? false;
  const statusIn = (list: readonly Attribute[] | undefined): string | undefined =>
    list?.find(({ type }) => type === 'status')?.normalized;
  for (const index of drugs) {
    const mention = mentions[index]!;
    if (mention.text.length < MIN_NAME || directed(index)) continue;
    const name = mention.text.toLowerCase();
    const { polarity, temporality, experiencer } = mention.assertion;
    const same = drugs.filter((other) => {
      const { text, type, assertion, attributes } = mentions[other]!;
      return (
        other !== index &&
        type === mention.type &&
        text.length === name.length &&
        text.toLowerCase() === name &&
        assertion.polarity === polarity &&
        assertion.temporality === temporality &&
        assertion.experiencer === experiencer &&
        directed(other) &&
        statusIn(result.get(other)) === statusIn(result.get(index)) &&
        statusIn(attributes) === statusIn(mention.attributes)
      );
    });
    if (same.length !== 1) continue;
    for (const each of result.get(same[0]!)!) if (DIRECTIONS.has(each.type)) give(result, index, each);
  }
}

/** Between a drug and what it is: "ticlopidine is an oral antiplatelet agent". */
const IS_A = /^\s?(?:,|is|was|are|,\swhich\sis)\san?\s(?:[a-z-]+\s){0,2}$/i;

/** Whether a way of giving stands in what a drug is said to be. */
function isOfWhatItIs(text: string, each: Found, drug: DrugPlace, kind: DrugPlace): boolean {
  return (
    each.type === 'route' &&
    each.start >= drug.end &&
    each.start - drug.end < 40 &&
    (each.end > kind.start || /^\s*$/.test(text.slice(each.end, kind.start))) &&
    IS_A.test(text.slice(drug.end, each.start))
  );
}

/** In running text what stands far from the drug and from all else said of it belongs to something else. */
function isFar(
  text: string,
  each: Found,
  drug: DrugPlace,
  found: readonly Found[],
  owners: ReadonlyMap<Found, number>,
  owner: number,
): boolean {
  if (each.start < drug.start) return drug.start - each.end > LEFT_LIMIT;
  let near = drug.end;
  for (const other of found)
    if (owners.get(other) === owner && other.end <= each.start && other.end > near) near = other.end;
  const gap = each.start - near;
  if (gap <= NEAR_LIMIT) return false;
  return gap > FAR_LIMIT || !SIGNATURE_ROW.test(text.slice(near, each.start));
}

/** Between two names of one drug: "5-fluorouracil (5-FU)", "the antifungal drug ketoconazole". */
const SAME_DRUG = /^\s*(?:(?:therapy|treatment|agents?|drugs?)?\s*\(|(?:drugs?|agents?)\s|)\s*$/i;
/** What closes the second name's bracket, or says more of it there: "(Xeloda; Roche)", "(prednisolone 25 mg/day)". */
const BRACKET_ENDS = /^\s*(?:[);,]|\d[^()\n]{0,40}\))/;

/** Other names of the same drug beside its own. */
function namesOf(text: string, owner: number, drugs: readonly DrugPlace[]): number[] {
  const same = (a: DrugPlace | undefined, b: DrugPlace | undefined): boolean => {
    if (!a || !b || b.start <= a.end) return false;
    const between = text.slice(a.end, b.start);
    return SAME_DRUG.test(between) && (!between.includes('(') || BRACKET_ENDS.test(text.slice(b.end)));
  };
  const names: number[] = [];
  if (same(drugs[owner - 1], drugs[owner])) names.push(owner - 1);
  if (same(drugs[owner], drugs[owner + 1])) names.push(owner + 1);
  return names;
}

export interface DrugPlace {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** Which drug an attribute speaks of: position in `drugs`. */
function ownerOf(
  text: string,
  each: Found,
  at: number,
  found: readonly Found[],
  drugs: readonly DrugPlace[],
  owners: ReadonlyMap<Found, number>,
): number | undefined {
  const named = drugs.findIndex((drug) => each.start >= drug.start && each.end <= drug.end);
  if (named >= 0) return named;
  let previous = -1;
  for (const [place, drug] of drugs.entries())
    if (drug.start < each.end && drug.end <= each.end) previous = place;
  const next = previous + 1 < drugs.length ? previous + 1 : -1;
  if (previous < 0 && next < 0) return undefined;
  const gapToNext = next < 0 ? undefined : stripFound(text, each.end, drugs[next]!.start, found);
  const bindsNext =
    gapToNext !== undefined &&
    drugs[next]!.start - each.end <= LEFT_LIMIT &&
    (BINDING.test(gapToNext) || PHRASE.test(gapToNext));
  if (previous < 0) {
    const near = each.type === 'dose' || each.type === 'prn' ? DOSE_LEFT_LIMIT : 0;
    return bindsNext || drugs[next]!.start - each.end < near ? next : undefined;
  }
  const gap = text.slice(drugs[previous]!.end, each.start);
  if (!bindsNext) {
    // A full stop or a new row between closes what the drug before it may own, unless the row only says how to take it.
    return previous;
  }
  const direct = stripFound(text, drugs[previous]!.end, each.start, found);
  // "Rifampicin once daily for 7 days on the level of repaglinide": it goes on with what was said before.
  if (each.type === 'duration' && /^[\s,]*(?:for|x)\s*$/.test(direct)) return previous;
  if (/\bof\b/i.test(gapToNext!) && !/\band\b/i.test(gapToNext!)) return next;
  if (/^[\s(:,)-]*$/.test(direct) && !/\n/.test(direct)) {
    // "aspirin 81 mg, oral prednisone": what follows a comma and touches the next drug is the next drug's.
    const touches = /^[\s]*$/.test(gapToNext!);
    if (
      touches &&
      /,\s*$/.test(gap) &&
      (each.type === 'route' || each.type === 'frequency' || each.type === 'duration')
    )
      return next;
    if (
      touches &&
      each.type === 'route' &&
      !found.slice(0, at).some((other) => owners.get(other) === previous)
    )
      return previous;
    return previous;
  }
  return next;
}

/** Rhythms of weeks and numbers of cycles are those of a whole regimen. */
function isCycle({ type, text }: Found): boolean {
  return type === 'duration'
    ? /cycles?$/i.test(text)
    : type === 'frequency' && /(?:\bq\s?\d+\s?-?\s?w|\bweek|\bevery\s(?:14|21|28)[\s-]days?)/i.test(text);
}

/** "AUC 5", "75 mg/m2": a dose of the regimens whose drugs share their cycles. */
const PER_BODY = /^AUC|\/\s?m(?:2|²|\^2|\(2\))/i;

/** The text between two drugs of a regimen, without a dose per body surface and its route. */
function stripPerBody(text: string, from: number, to: number, found: readonly Found[]): string {
  const dosed = found.filter(
    (each) => each.type === 'route' || ((each.type === 'dose' || each.measured) && PER_BODY.test(each.text)),
  );
  return stripFound(text, from, to, dosed);
}

/** The text between two places without the attributes that stand in it. */
function stripFound(text: string, from: number, to: number, found: readonly Found[]): string {
  let rest = '';
  let at = from;
  for (const each of found) {
    if (each.start >= at && each.end <= to && each.start < to) {
      rest += text.slice(at, each.start);
      at = Math.max(at, each.end);
    }
  }
  return at < to ? rest + text.slice(at, to) : rest;
}

/** "Metoprolol succ 50 mg", "vancomycin powder 1 g", "EpiPen Jr 150 mcg": a salt, form, size or device between the name and its strength. */
const STRENGTH_GAP =
  /^[\s,(:*-]*(?:(?:jr\.?|junior|(?:flex|kwik)pen|solostar|pen|auto-?injector|diskus|ellipta|respimat|handihaler|turbuhaler|odt|succ|succinate|tart|tartrate|hcl|conc|concentrate|powder|sod|citrate|acetate|phosphate|besylate|mesylate|maleate|fumarate|monohydrate)[\s,(:*-]+)?$/i;

/** A measured amount is the product's strength where it follows the name, and the dose elsewhere. */
function typed(text: string, each: Found, drug: DrugPlace, found: readonly Found[]): Attribute {
  const { measured, ...attribute } = each;
  if (!measured) return attribute;
  const perBody =
    /\/(?:kg|m2|d|h|min|wk)\b/.test(each.normalized ?? '') ||
    /\[iU\]$/.test(each.normalized ?? '') ||
    (/mL$/.test(each.normalized ?? '') && !/\//.test(each.normalized ?? ''));
  if (perBody || each.start < drug.end) return attribute;
  const gap = stripFound(
    text,
    drug.end,
    each.start,
    found.filter((other) => other.type === 'form' || other.type === 'route'),
  );
  const first = !found.some(
    (other) => other.measured && other !== each && other.start >= drug.end && other.start < each.start,
  );
  return first && STRENGTH_GAP.test(gap) ? { ...attribute, type: 'strength' } : attribute;
}

function give(result: Map<number, Attribute[]>, index: number, attribute: Attribute): void {
  const list = result.get(index);
  if (!list) result.set(index, [attribute]);
  else if (!list.some((other) => other.type === attribute.type && other.start === attribute.start))
    list.push(attribute);
}

const MAX_DRUGS = 24;

type OpenRegion = { -readonly [K in keyof SignatureRegion]: SignatureRegion[K] };

const SIG_START =
  /^\s*(?:[-*•]\s*)?(?:sig\b|take\b|takes\b|use\b|apply\b|inject\b|instill\b|inhale\b|place\b|give\b|\d+(?:\.\d+)?\s?(?:-|to)?\s?\d*\s?(?:tab|cap|puff|spray|drop|pill|ml|tablet|capsule|patch|unit)|by mouth|po\b|one\b|two\b|dose\b|dosage\b|route\b|frequency\b|daily\b|every\b)/i;

/**
 * Regions of a note: each sentence with medications, joined by following rows that only say how to take the
 * last one ("Metformin 500 mg" / "Take 1 tablet by mouth twice daily").
 */
export function signatureRegions(
  text: string,
  sentences: readonly Sentence[],
  tokens: readonly Token[],
  mentions: readonly Mention[],
  isDrug: (mention: Mention) => boolean,
): SignatureRegion[] {
  const regions: OpenRegion[] = [];
  let at = 0;
  let open: OpenRegion | undefined;
  let openSection = -1;
  for (const sentence of sentences) {
    if (sentence.lastToken <= sentence.firstToken) continue;
    const start = tokens[sentence.firstToken]!.start;
    const end = tokens[sentence.lastToken - 1]!.end;
    const drugs: number[] = [];
    let others = 0;
    while (at < mentions.length && mentions[at]!.start < end) {
      if (mentions[at]!.start >= start) {
        if (isDrug(mentions[at]!)) drugs.push(at);
        else if (mentions[at]!.type === 'procedure') others++;
      }
      at++;
    }
    if (drugs.length > 0) {
      // An endless list is cut into pieces at its drugs: tying looks at all pairs of a region.
      for (let from = 0; from < drugs.length; from += MAX_DRUGS) {
        const next = drugs[from + MAX_DRUGS];
        open = {
          start: from === 0 ? start : mentions[drugs[from]!]!.start,
          end: next === undefined ? end : mentions[next]!.start,
          drugs: drugs.slice(from, from + MAX_DRUGS),
          firstToken: sentence.firstToken,
          lastToken: sentence.lastToken,
          listItem: sentence.listItem,
        };
        regions.push(open);
      }
      openSection = sentence.section;
    } else if (
      open &&
      openSection === sentence.section &&
      others === 0 &&
      end - open.start < 600 &&
      SIG_START.test(text.slice(start, Math.min(end, start + 60)))
    ) {
      open.end = end;
      open.lastToken = sentence.lastToken;
      open.listItem ||= sentence.listItem;
    } else open = undefined;
  }
  return regions;
}
