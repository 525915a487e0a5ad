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
const LIST_GAP = /^\s*(?:,|and|or|\/|\+|plus|with|,\s*and|&)\s*$/i;
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
  for (const found of findDates(text, start, end, date)) {
    // Dates come in order, so the mention before one is not before the last one's.
    while (before + 1 < dated.length && mentions[dated[before + 1]!]!.end <= found.start) before++;

    for (const index of ownersOf(text, found, dated, mentions, start, before)) {
      const list = result.get(index) ?? [];
      if (list.some((other) => other.type === 'date')) continue;
      list.push(attributeOf(text, found));
      result.set(index, list);
    }
  }
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
  const gapBefore = before < 0 ? undefined : text.slice(mentions[dated[before]!]!.end, found.start);
  if (gapBefore !== undefined && !opensSentence && gapBefore.length <= FAR && !CLAUSE_END.test(gapBefore)) {
    const owners = [dated[before]!];
    for (let at = before - 1; at >= 0; at--) {
      const gap = text.slice(mentions[dated[at]!]!.end, mentions[dated[at + 1]!]!.start);
      if (
        !LIST_GAP.test(gap) ||
        !/^\s*(?:(?:were|was)\s\w+\s)?(?:in|on|since|from|during)?\s*$/i.test(gapBefore) ||
        /^\s*\(/.test(gapBefore) ||
        /,/.test(gap)
      )
        break;
      owners.push(dated[at]!);
    }
    return owners;
  }
  if (after < 0) return [];
  const gapAfter = text.slice(found.end, mentions[dated[after]!]!.start);
  if (gapAfter.length > FAR || /\.(?!\d)|[;\n]/.test(gapAfter)) return [];
  const owners = [dated[after]!];
  for (let at = after + 1; at < dated.length; at++) {
    if (!LIST_GAP.test(text.slice(mentions[dated[at - 1]!]!.end, mentions[dated[at]!]!.start))) break;
    owners.push(dated[at]!);
  }
  return owners;
}
