import type { SectionKind } from '../model.js';
import { classOf, DIGIT, isLetter, isSpace } from './characters.js';
import { type Header, headerOf } from './header.js';
import { indexWithin, isCapitals, startsUpper } from './lettering.js';
import { endsTitle, exactTitle } from './titles.js';

const TITLE_MAX_LENGTH = 80;

/** Headers within a line: `None. MEDICATIONS: aspirin`, after a sentence or a gap. */
export function headersInside(text: string, from: number, to: number): Header[] {
  const found: Header[] = [];
  let colon = indexWithin(text, ':', from, to);
  let floor = from;
  while (colon >= 0) {
    // The colon of a time parts nothing.
    const time =
      classOf(text.charCodeAt(colon - 1)) === DIGIT && classOf(text.charCodeAt(colon + 1)) === DIGIT;
    const header = time ? undefined : headerBeforeColon(text, floor, colon);
    if (header) found.push(header);
    floor = colon + 1;
    colon = indexWithin(text, ':', colon + 1, to);
  }
  return found;
}

function headerBeforeColon(text: string, floor: number, colon: number): Header | undefined {
  const limit = Math.max(floor, colon - TITLE_MAX_LENGTH);
  // Back over the words to the end of a sentence or a gap; remember where the run of capitals began.
  let capitalsFrom = -1;
  let start = -1;
  let wordEnd = colon;
  for (let at = colon - 1; at >= limit - 1; at--) {
    const code = at < limit ? 32 : text.charCodeAt(at);
    const stop = at < limit || isSpace(code) || code === 46 || code === 59 || code === 44 || code === 124;
    if (!stop) continue;
    const word = text.slice(at + 1, wordEnd);
    if (code === 124 || (word.length === 1 && '/-–—•'.includes(word))) {
      start = code === 124 ? at + 1 : wordEnd;
      break;
    }
    if (word.length > 0 && capitalsFrom !== -2)
      capitalsFrom =
        isCapitals(word) || /^(?:[&/]|of|and|on|at)$/.test(word)
          ? at + 1
          : capitalsFrom === -1
            ? -2
            : capitalsFrom;
    if (word.length > 0 && !isCapitals(word) && capitalsFrom >= 0) {
      // The run of capitals ended before this word; a capital run after lower-case text needs no mark before it.
      const header = innerHeader(text, capitalsFrom, colon, true);
      if (header) return header;
    }
    const gap = at >= limit + 1 && isSpace(code) && isSpace(text.charCodeAt(at - 1));
    if (at < limit || code === 46 || code === 59 || gap || (code === 44 && capitalsFrom >= 0)) {
      start = at + 1;
      break;
    }
    wordEnd = at;
  }
  if (start < 0 || (start === limit && limit > floor)) return runInHeader(text, limit, colon);
  if (start === floor && floor > 0 && text[floor - 1] !== ':') return runInHeader(text, floor, colon);
  return innerHeader(text, start, colon, false) ?? runInHeader(text, start, colon);
}

const RUN_IN_WORDS = 5;

/** `Here for review Past Medical History: gout`: words with capitals that are a known title of two words or more. */
function runInHeader(text: string, from: number, colon: number): Header | undefined {
  let end = colon;
  let header: Header | undefined;
  for (let words = 1; words <= RUN_IN_WORDS; words++) {
    let at = end;
    while (at > from && !isSpace(text.charCodeAt(at - 1))) at--;
    const upper = startsUpper(text[at] ?? ' ');
    const word = text.slice(at, end);
    if (words === 1 ? !upper || !endsTitle(word.toLowerCase()) : !upper && !LINKS.has(word)) break;
    if (upper && at > from) {
      const found = innerHeader(text, at, colon, false);
      if (
        found &&
        !found.sub &&
        (words > 1 || RUN_IN_ALONE.has(found.kind) || SHORT_FORMS.has(word.toLowerCase()))
      )
        header = found;
    }
    end = at;
    while (end > from && isSpace(text.charCodeAt(end - 1))) end--;
    if (end <= from || end === at) break;
  }
  if (!header) return undefined;
  // `Airway Examination:` is no `Examination:`.
  let before = header.start;
  while (before > from && isSpace(text.charCodeAt(before - 1))) before--;
  while (before > from && !isSpace(text.charCodeAt(before - 1))) before--;
  return startsUpper(text[before]!) && before < header.start ? undefined : header;
}

const LINKS = new Set(['of', 'and', '&', 'on', 'at']);
/** Short forms that are titles and nothing else: `64M PMHx: HTN`. */
const SHORT_FORMS = new Set('pmh pmhx psh pshx fhx fmhx shx sochx famhx hpi hpc ros ddx a/p o/e'.split(' '));
/** What a single word with a capital may open; `Urinalysis:` or `Plan:` may stand in any sentence. */
const RUN_IN_ALONE = new Set<SectionKind>(['medications', 'allergies', 'immunizations', 'assessment']);

function innerHeader(text: string, from: number, colon: number, capitalsOnly: boolean): Header | undefined {
  let start = from;
  while (start < colon && !isLetter(text.charCodeAt(start))) start++;
  const title = text.slice(start, colon).trimEnd();
  if (title.length < 2 || title.includes(':')) return undefined;
  const capitals = isCapitals(title);
  if (capitalsOnly && (!capitals || title.length < 3)) return undefined;
  if (!capitals && !startsUpper(title)) return undefined;
  const row = exactTitle(title);
  if (!row) return undefined;
  if (!capitals && row.kind === 'other') return undefined;
  return headerOf(text, { start, from: start, to: start + title.length, bodyStart: colon + 1 }, row);
}
