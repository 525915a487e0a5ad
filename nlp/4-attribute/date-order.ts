/** How a document writes dates in figures: "03/04/2020" is the 4th of March, the 3rd of April, or cannot be told. */
export type DateOrder = 'month-first' | 'day-first' | 'unclear';

const FIGURES = /(?<![\d/.-])(\d{1,2})([/-])(\d{1,2})\2((?:19|20)?\d\d)(?![\d/-])/g;
/** So many dates settle it. */
const MAX_DATES = 100;
/** Spellings, lengths of time and words of places where the day comes first. */
const DAY_FIRST_WORDS =
  /\b(?:\w*(?:haem|oedem|oesoph|paediat|gynaec|orthopaed|diarrhoea|ischaem|leukaem|foet|pnoea|tumour)\w*|\w+aemi[ac]|nhs|nof|a&e|ttos?|xla|msu|u&es?|fbc|lif|rif|r\/v|o\/e|k\/c\/o|tds|qds|nocte|paracetamol|salbutamol|co-(?:amox|codamol|dydramol|trimoxazole|careldopa|beneldopa)\w*|adrenaline|physio|theatre|registrar)\b|\d\/52\b|\bx\s?\d\/7\b|\d\/7 (?:ago|hx|of|history)\b|#\s?nof/i;

/**
 * The order of a document by its own evidence: a date that can be read one way only, its own date, then its words;
 * the American one where nothing speaks against it. Dates that contradict each other leave it unclear.
 * @param date the document's, ISO
 */
export function dateOrderOf(text: string, date: string | undefined): DateOrder {
  let dayFirst = 0;
  let monthFirst = 0;
  let open = false;
  FIGURES.lastIndex = 0;
  let match = FIGURES.exec(text);
  for (let count = 0; match && count < MAX_DATES; count++) {
    const [a, b] = [Number(match[1]), Number(match[3])];
    if (a > 12 && a <= 31 && b > 0 && b <= 12) dayFirst++;
    else if (b > 12 && b <= 31 && a > 0 && a <= 12) monthFirst++;
    else if (a !== b && a > 0 && a <= 12 && b > 0 && b <= 12) {
      open = true;
      if (date && isYearOf(match[4]!, date)) {
        const [month, day] = [Number(date.slice(5, 7)), Number(date.slice(8, 10))];
        if (a === day && b === month) dayFirst++;
        else if (a === month && b === day) monthFirst++;
      }
    }
    match = FIGURES.exec(text);
  }
  if (dayFirst > 0 && monthFirst > 0) return 'unclear';
  if (dayFirst > 0) return 'day-first';
  if (monthFirst > 0 || (!open && !SHORT.test(text))) return 'month-first';
  return DAY_FIRST_WORDS.test(text) ? 'day-first' : 'month-first';
}

/** A day and a month without a year. */
const SHORT = /(?<![\d/.-])(?:0?[1-9]|1[0-2])\/(?:0?[1-9]|1[0-2])(?![\d/-])/;

function isYearOf(year: string, date: string): boolean {
  return date.slice(4 - year.length, 4) === year;
}
