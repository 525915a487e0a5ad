import type { Found } from './rules.js';

/** Before a street or a house: its number and what of it is meant. */
const NUMBER_BEFORE =
  /(?:(?:Flat|Unit|Apt\.?|Apartment|Suite|Ste\.?|Floor|No\.?|#)[ ]?\w{1,5}(?:\/\d{1,5})?,?[ ])?(?:\d{1,5}[A-Za-z]?(?:[/-]\d{1,4})?,?[ ])?(?:(?:rue|avenue|chemin|via|calle|[NSEW]\.?)[ ](?:de la |de |du |des |del )?)?$/;
/** Between parts of one address: a comma, a county, a state, the number of a flat. */
const BETWEEN =
  /^,?[ \n]?(?:(?:Co\.|County|the|The|of|on|in|upon|St\.?|Rd\.?|Ave\.?|[A-Z]{2,3}|#\w{1,4}|Apt\.? ?\w{1,4}|\d{1,2}(?:st|nd|rd|th) Fl\.?|Sq\.?),?[ ])?$/;
/** Behind an address: an abbreviated street, a state, a code. */
const AFTER =
  /^(?:[ ](?:St|Rd|Ave|Ln|Sq|Pl|Ct|Way|Bldg|Blvd|Terr?|Cres)\b\.?)?(?:,?[ ](?:[A-Z]{2,3}[ ])?\d{4,6}(?:-\d{4})?(?![\w/.]|[ ]?(?:mg|ml)))?/;
const CANADIAN = /^,?[ ](?:[A-Z]{2}[ ])?[A-Z]\d[A-Z][ ]?\d[A-Z]\d\b/;

/**
 * Finds with what belongs to them: to an address the number before, the code behind, and parts with little between them
 * as one; to a name the digits it touches. `sorted` is by start.
 */
export function spread(text: string, sorted: readonly Found[]): Found[] {
  const out: Found[] = [];
  for (const find of sorted) {
    if (find.kind !== 'address') {
      // "Mikel238": numbers that test data hang on names.
      const digits =
        find.kind === 'name'
          ? (/^\d{1,4}(?!\w)/.exec(text.slice(find.end, find.end + 6))?.[0].length ?? 0)
          : 0;
      out.push(digits > 0 ? { ...find, end: find.end + digits } : find);
      continue;
    }
    let { start, end } = find;
    const before = text.slice(Math.max(0, start - 40), start);
    const number = NUMBER_BEFORE.exec(before.slice(before.lastIndexOf('\n') + 1))?.[0] ?? '';
    // A number alone may be a dose or a day: a house's stands at the beginning or behind a sign or a word of place.
    if (
      number && /[A-Za-z#]/.test(number)
        ? true
        : /(?:^|[,:;(\n]|\b(?:at|of|from|to|is|Visited|Address|Addr|near|outside))[ ]?$/i.test(
            before.slice(0, before.length - number.length),
          )
    )
      start -= number.length;
    const rest = text.slice(end, end + 24);
    const tail = CANADIAN.exec(rest)?.[0] ?? AFTER.exec(rest)?.[0] ?? '';
    end += tail.length;
    const last = out.at(-1);
    if (
      last?.kind === 'address' &&
      start >= last.end &&
      start - last.end <= 16 &&
      BETWEEN.test(text.slice(last.end, start))
    )
      out[out.length - 1] = { ...last, end };
    else out.push({ ...find, start, end });
  }
  return out;
}
