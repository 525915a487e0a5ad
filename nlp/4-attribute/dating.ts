import type { Attribute, Mention } from '../model.js';
import { type FoundDate, findDates } from './dates.js';

const DATED = new Set([
  'diagnosis',
  'procedure',
  'medication',
  'vaccine',
  'symptom',
  'test',
  'device',
  'vital-sign',
]);
const CLAUSE_END = /\.(?!\d)|[;\n]|,\s(?:and\s)?(?:he|she|they|patient|the patient|who|which|but|then)\b/i;
/** Between two of a list; vaccines are counted: "MMR #2 and varicella #2". */
const LIST_GAP = /^\s*(?:(?:#|dose |no\. ?)\d\s*)?(?:,|and|or|\/|\+|plus|with|,\s*and|&)\s*$/i;
const FAR = 80;
const LEAD = 40;
/** What may stand before a date that opens its sentence or row. */
const OPENING =
  /^\s*(?:[-*•\d.)]{1,4}\s*)?(?:(?:in|on|since|about|approximately|around|the|early|late|by|back in|during|,|-|:)\s*){0,4}$/i;

/** Gives each date of a sentence to the mention it dates; result by index of mention. */
export function attachDates(
  text: string,
  start: number,
  end: number,
  indices: readonly number[],
  mentions: readonly Mention[],
  date: string | undefined,
  result: Map<number, Attribute[]>,
): void {
  const dated = indices.filter((index) => DATED.has(mentions[index]!.type));
  if (dated.length === 0) return;
  let before = -1;
  const dates = findDates(text, start, end, date);
  for (const found of dates) {
    // Dates come in order, so the mention before one is not before the last one's.
    while (before + 1 < dated.length && mentions[dated[before + 1]!]!.end <= found.start) before++;

    const owners = found.doubtful
      ? claimants(text, found, mentions, dated, before)
      : ownersOf(text, found, dated, mentions, start, before);
    for (const index of owners) {
      const list = result.get(index) ?? [];
      if (list.some((other) => other.type === 'date')) continue;
      list.push(attributeOf(text, found));
      result.set(index, list);
    }
  }
  if (dates.length === 1) shareAmongVaccines(text, dates[0]!, dated, mentions, result);
}

/** "Given today: Prevnar 20 IM, Tdap", "Tdap and flu shot today": one visit, one date. */
function shareAmongVaccines(
  text: string,
  date: FoundDate,
  dated: readonly number[],
  mentions: readonly Mention[],
  result: Map<number, Attribute[]>,
): void {
  const vaccines = dated.filter((index) => mentions[index]!.type === 'vaccine');
  const hasDate = (index: number): boolean => result.get(index)?.some(({ type }) => type === 'date') === true;
  if (!vaccines.some(hasDate)) return;
  for (const index of vaccines) {
    if (!hasDate(index)) result.set(index, [...(result.get(index) ?? []), attributeOf(text, date)]);
  }
}

const DAY_LENGTH = 'YYYY-MM-DD'.length;
const BEGUN = new Set(['procedure', 'device', 'vaccine', 'diagnosis']);
/** What may stand between a name and a number that may be its date: "(ileocolonic)", "L eye", "placed". */
const BESIDE = /^\s*(?:#\d\s*)?(?:\([^)\d]{1,30}\)\s*)?(?:[a-z]+\s){0,2}$/i;

/** Who may claim a number that may be a date: the name right before it, where a day or a year is told of it. */
function claimants(
  text: string,
  found: FoundDate,
  mentions: readonly Mention[],
  dated: readonly number[],
  before: number,
): number[] {
  if (before < 0) return [];
  const mention = mentions[dated[before]!]!;
  if (!BEGUN.has(mention.type) || !BESIDE.test(text.slice(mention.end, found.start))) return [];
  // "3/12" is three months as well, and "4/5" a strength.
  if (found.normalized?.length === DAY_LENGTH && mention.type === 'diagnosis') return [];
  const owners = [dated[before]!];
  for (let at = before - 1; at >= 0; at--) {
    const other = mentions[dated[at]!]!;
    const gap = text.slice(other.end, mentions[dated[at + 1]!]!.start);
    if (other.type !== mention.type || !/^\s*(?:and|with|w\/|\+|\/)\s*$/i.test(gap)) break;
    owners.push(dated[at]!);
  }
  return owners;
}

function attributeOf(text: string, found: FoundDate): Attribute {
  const { start, end, normalized } = found;
  return {
    type: 'date',
    text: text.slice(start, end),
    start,
    end,
    ...(normalized === undefined ? {} : { normalized }),
  };
}

/** "LVEF 30% on TTE 1/15/2026": the value is as old as the study. */
function readOff(text: string, value: Mention, study: Mention, gap: string): boolean {
  return (
    value.type === 'test' &&
    (study.type === 'procedure' || study.type === 'test') &&
    /^[\s(]*(?:from|of|on|dated)?\s*$/i.test(gap) &&
    /^[\s:=]*[\d.,%-]+[\s%]*(?:on|by|per|from)\s(?:the\s)?$/i.test(text.slice(value.end, study.start))
  );
}

/** The mention before the date in its clause, else the one after; with those listed beside it. */
function ownersOf(
  text: string,
  found: FoundDate,
  dated: readonly number[],
  mentions: readonly Mention[],
  start: number,
  before: number,
): number[] {
  let after = before + 1;
  while (after < dated.length && mentions[dated[after]!]!.start < found.end) after++;
  if (after >= dated.length) after = -1;
  const opensSentence = found.start - start <= LEAD && OPENING.test(text.slice(start, found.start));
  // "(30 pack-years, quit 2012), transferred with STEMI": what is bracketed dates nothing behind the bracket.
  const bracketed = closesBeforeNext(text, found.end, after < 0 ? undefined : mentions[dated[after]!]!.start);
  const gapBefore = before < 0 ? undefined : text.slice(mentions[dated[before]!]!.end, found.start);
  if (gapBefore !== undefined && !opensSentence && gapBefore.length <= FAR && !CLAUSE_END.test(gapBefore)) {
    const owners = [dated[before]!];
    if (before > 0 && readOff(text, mentions[dated[before - 1]!]!, mentions[dated[before]!]!, gapBefore))
      owners.push(dated[before - 1]!);
    for (let at = before - 1; at >= 0; at--) {
      const gap = text.slice(mentions[dated[at]!]!.end, mentions[dated[at + 1]!]!.start);
      if (
        !LIST_GAP.test(gap) ||
        !/^\s*(?:(?:#|dose |no\. ?)\d\s*)?(?:(?:were|was)\s\w+\s)?(?:in|on|since|from|during)?\s*$/i.test(
          gapBefore,
        ) ||
        /^\s*\(/.test(gapBefore) ||
        /,/.test(gap)
      )
        break;
      owners.push(dated[at]!);
    }
    return owners;
  }
  if (after < 0 || (bracketed && !opensSentence)) return [];
  const gapAfter = text.slice(found.end, mentions[dated[after]!]!.start);
  if (gapAfter.length > FAR || /\.(?!\d)|[;\n]/.test(gapAfter)) return [];
  const owners = [dated[after]!];
  for (let at = after + 1; at < dated.length; at++) {
    if (!LIST_GAP.test(text.slice(mentions[dated[at - 1]!]!.end, mentions[dated[at]!]!.start))) break;
    owners.push(dated[at]!);
  }
  return owners;
}

function closesBeforeNext(text: string, from: number, next: number | undefined): boolean {
  if (next === undefined) return false;
  const gap = text.slice(from, next);
  const close = gap.indexOf(')');
  return close >= 0 && (gap.indexOf('(') < 0 || gap.indexOf('(') > close);
}
