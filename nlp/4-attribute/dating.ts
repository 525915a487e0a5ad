import type { Attribute, Mention, Section } from '../model.js';
import type { DateOrder } from './date-order.js';
import { dayOfMonth, type FoundDate, findDates, todayOf } from './dates.js';

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
/** How much may stand between a name, the bracket behind it and the date. */
const BRACKET_GAP = 12;
const LEAD = 40;
/** What may stand before a date that opens its sentence or row. */
const OPENING =
  /^\s*(?:[-*•\d.)]{1,4}\s*)?(?:(?:in|on|since|about|approximately|around|the|early|late|by|back in|during|,|-|:)\s*){0,4}$/i;

/** The date in the title of results: "LABS (3/6)", "Vitals 3/9/26"; for those of its section without their own. */
export function titleDate(
  text: string,
  section: Section,
  date: string | undefined,
  order: DateOrder,
): Attribute | undefined {
  if (!RESULT_SECTIONS.has(section.kind) || section.bodyStart - section.start > FAR) return undefined;
  const found =
    findDates(text, section.start, section.bodyStart, date, order)[0] ?? bareDay(text, section, date);
  return found && attributeOf(text, found);
}

const RESULT_SECTIONS = new Set(['results', 'vital-signs']);
const BARE_DAY = /(?<=[\s(])(0?[1-9]|1[0-2])\/(0?[1-9]|[12]\d|3[01])(?=[\s):])/;

/** "(3/6)" in a title can be nothing else. */
function bareDay(text: string, section: Section, date: string | undefined): FoundDate | undefined {
  const match = BARE_DAY.exec(text.slice(section.start, section.bodyStart));
  if (!match) return undefined;
  const start = section.start + match.index;
  const normalized = dayOfMonth(match[1]!.padStart(2, '0'), match[2]!, todayOf(date));
  return { start, end: start + match[0].length, ...(normalized && { normalized }) };
}

/** Gives each date of a sentence to the mention it dates; result by index of mention. */
export function attachDates(
  text: string,
  start: number,
  end: number,
  indices: readonly number[],
  mentions: readonly Mention[],
  date: string | undefined,
  order: DateOrder,
  result: Map<number, Attribute[]>,
): void {
  const dated = indices.filter((index) => DATED.has(mentions[index]!.type));
  if (dated.length === 0) return;
  let before = -1;
  const dates = findDates(text, start, end, date, order);
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
const BESIDE =
  /^\s*(?:#\d\s*)?(?:[x×]\s?\d\s)?(?:\([^)\d]{1,30}\)\s*)?(?:(?:[a-z]+|dx'd|stage \d|rai \d)\s){0,3}$/i;

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
  const gapBefore = text.slice(mention.end, found.start);
  if (before > 0 && readOff(text, mentions[dated[before - 1]!]!, mention, gapBefore))
    owners.push(dated[before - 1]!);
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
  if (OF_ANOTHER_EVENT.test(text.slice(Math.max(start, found.start - 12), found.start))) return [];
  let after = before + 1;
  while (after < dated.length && mentions[dated[after]!]!.start < found.end) after++;
  if (after >= dated.length) after = -1;
  if (TITLE.test(text.slice(start, found.start)) && TITLE_END.test(text.slice(found.end, found.end + 4))) {
    const results = dated.filter(
      (index) => mentions[index]!.start >= found.end && RESULTS.has(mentions[index]!.type),
    );
    if (results.length > 0) return [...(before < 0 ? [] : [dated[before]!]), ...results];
  }
  before = outsideBracket(text, found.start, dated, mentions, before);
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
  // "Gallbladder removed in 2010 and a knee replacement": what is added has its own date or none.
  if (!opensSentence && /^\s+and\s/i.test(gapAfter)) return [];
  if (gapAfter.length > FAR || /\.(?!\d)|[;\n]/.test(gapAfter)) return [];
  const owners = [dated[after]!];
  for (let at = after + 1; at < dated.length; at++) {
    if (!LIST_GAP.test(text.slice(mentions[dated[at - 1]!]!.end, mentions[dated[at]!]!.start))) break;
    owners.push(dated[at]!);
  }
  return owners;
}

/** "Labs 3/9/26: ANC 1.1, Hgb 10.9" dates every one of them. */
const TITLE =
  /^\s*(?:[-*•]\s*)?(?:(?:his|her|the|recent|repeat|admission|latest|last|pre-?op|blood|lab|laboratory)\s){0,2}(?:labs?|bloods?|blood tests?|results?|tests|vitals?|vital signs|obs|chemistry|cbc|cmp|bmp|lfts?|u&es?|fbc|hematology|spirometry|pfts?|echo|tte)\b[^.;\d]{0,24}$/i;
/** "LMP 12/12/25, spotting": the date is told of something that is no mention. */
const OF_ANOTHER_EVENT = /\b(?:LN?MP|EDD|EDC|EDB|DOB|D\.O\.B\.?|b\.|born|due)(?:\s+on)?[\s:=-]{1,3}$/i;
const TITLE_END = /^\)?\s?(?:[:–-]|=|\n)/;
const RESULTS = new Set(['test', 'vital-sign']);

/** "CABG x3 (LIMA-LAD, SVG-RCA) 11/2020": what stands in the bracket before a date is not what it dates. */
function outsideBracket(
  text: string,
  from: number,
  dated: readonly number[],
  mentions: readonly Mention[],
  before: number,
): number {
  if (before < 0) return before;
  const gap = text.slice(mentions[dated[before]!]!.end, Math.min(from, mentions[dated[before]!]!.end + FAR));
  const bracket = /^[^()]*\)/.exec(gap);
  if (!bracket || gap.length - bracket[0].length > BRACKET_GAP) return before;
  const open = text.lastIndexOf('(', mentions[dated[before]!]!.start);
  for (let at = before; at >= 0; at--) {
    const mention = mentions[dated[at]!]!;
    if (mention.end > open) continue;
    return open - mention.end <= BRACKET_GAP ? at : before;
  }
  return before;
}

function closesBeforeNext(text: string, from: number, next: number | undefined): boolean {
  if (next === undefined) return false;
  const gap = text.slice(from, next);
  const close = gap.indexOf(')');
  return close >= 0 && (gap.indexOf('(') < 0 || gap.indexOf('(') > close);
}
