import { loadLexicon } from '../2-mention/lexicon.js';
import { loadTagger } from '../2-mention/tagger.js';
import type { Pattern } from './told.js';
import { isUnseenWord } from './unknown-names.js';
import { censusNames } from './words.js';

/** Personal data in the short forms of notes, letters and messages: initials of who wrote, days without a month, numbers of any make. */

const MONTHS =
  '(?:jan(?:uary|vier)?|januar|feb(?:ruary|ruar)?|février|mar(?:ch|s)?|märz|apr(?:il)?|avril|may|mai|june?|juni|juin|july?|juli|juillet|aug(?:ust)?|août|sept?(?:ember)?|septembre|oct(?:ober|obre)?|oktober|nov(?:ember|embre)?|dec(?:ember)?|décembre|dezember)';

/** A name that is written without a capital, or hardly a word of the notes. */
function isNameInSmall(words: string): boolean {
  const lower = words.toLowerCase();
  const { given, family } = censusNames();
  return (
    isUnseenWord(lower) || ((given.has(lower) || family.has(lower)) && loadTagger().frequencyClass(lower) < 6)
  );
}

const NAME = "\\p{Lu}[\\p{L}'’-]{1,24}";
const isNoWord = (words: string): boolean =>
  loadTagger().frequencyClass(words.toLowerCase()) === 0 && loadLexicon().wordNumber(words.toLowerCase()) < 0;

export const SHORTHAND: readonly Pattern[] = [
  {
    kind: 'name',
    rule: 'small-after-title',
    score: 0.85,
    expression: /(?<![\w.])(?:dr|mr|mrs|ms|miss)\.?[ ]([a-z][a-z'’-]{2,20})(?![\w])/g,
    holds: isNameInSmall,
  },
  {
    kind: 'name',
    rule: 'initials-at-end',
    score: 0.8,
    expression:
      /(?:[.:)]|\d|--?|[\]”"])[ ]{1,4}([a-z]{2,4}(?:\/[a-z]{2,4})?)(?=,?[ ]?(?:RN|LPN|NP|PA|MD)?[ ]*(?:\n|$))/g,
    holds: (words) => words.split('/').every(isNoWord),
  },
  {
    kind: 'name',
    rule: 'initials-of-signer',
    score: 0.8,
    expression:
      /(?:--?-?|—|–|[Ss]igned:?|[Tt]ech:|[Ss]cribe:|[Ii]nitials:?)[ ]?((?:[A-Z]\.?){2,3}|[a-z]{2,4}(?:\/[a-z]{2,4})?)(?=,?[ ]*(?:\n|$)|[ ]{0,4}\d{1,2}[/:]|[ ]{2}|\.(?:\s|$)|,[ ]?(?:RN|LPN|NP|PA|MD))/g,
    holds: (words) =>
      /[.A-Z]/.test(words) ? !/^(?:RN|MD|NP|PA|DO|OK|ED|ER)$/.test(words) : words.split('/').every(isNoWord),
  },
  {
    kind: 'name',
    rule: 'small-before-credential',
    score: 0.85,
    expression: /(?<![\w.-])([a-z]{3,14})(?=,[ ]?(?:RN|LPN|NP|PA|MD|PharmD|CNA)\b)/g,
    holds: isNoWord,
  },
  {
    kind: 'phone',
    rule: 'phone-any-sign',
    score: 0.9,
    expression:
      /(?<![\w/.+-])\(?[2-9]\d{2}\)?[ ./-]{0,2}\d{3}[ ./-]?\d{4}(?![\w]|[.-]\d|[ ]?(?:mg|mcg|ml|units?|copies|IU)\b)/g,
    holds: (words, text, start) =>
      !/\b(?:SNOMED|SCTID|SCT|RxNorm|RxCUI|LOINC|NDC|code)[ :#]{0,3}$/i.test(
        text.slice(Math.max(0, start - 10), start),
      ) && words.replace(/\D/g, '').length === 10,
  },
  {
    kind: 'phone',
    rule: 'phone-seven',
    score: 0.8,
    expression:
      /(?<![\w/.+-]|\d )[2-9]\d{2}-\d{4}(?![\w-]|\.\d|[ ]?(?:mg|mcg|ml|mL|units?|cc|cal|kcal|calories|g|steps)\b)/g,
    holds: (words) => Number(words.slice(0, 3)) * 10 !== Number(words.slice(4)) && !/00$/.test(words),
  },
  {
    kind: 'date',
    rule: 'month-any-language',
    score: 0.9,
    expression: new RegExp(
      `(?<![\\p{L}\\d/.-])(?:\\d{1,2}\\.?[ ]${MONTHS}|${MONTHS}\\.?[ ]\\d{1,2}(?:st|nd|rd|th)?)(?![\\p{L}\\d%/]|\\.\\d|[ ]?(?:mg|mcg|ml|tabs?|units?|times|days|hours|weeks)\\b)(?:[ ](?:19|20)\\d{2})?`,
      'giu',
    ),
    holds: (words, _, start) =>
      !/^(?:may|mar|march|mars)[ ]\d/.test(words) &&
      !/^\d{1,2}[ ](?:may|mar|march|mars)$/.test(words) &&
      start >= 0,
  },
  {
    kind: 'date',
    rule: 'days-of-month',
    score: 0.95,
    expression: new RegExp(
      `(?<![\\p{L}])${MONTHS}\\.?[ ]\\d{1,2}[ ]?[-–][ ]?\\d{1,2}(?![\\d/%]|[ ]?(?:mg|tabs?))`,
      'giu',
    ),
    holds: (words) => /^\p{Lu}/u.test(words),
  },
  {
    kind: 'date',
    rule: 'range-of-days',
    score: 0.95,
    expression:
      /(?<![\d/.-])\d{1,2}\/\d{1,2}(?:\/\d{2,4})?[ ]?[-–][ ]?\d{1,2}\/\d{1,2}\/(?:\d{4}|\d{2})(?![\d/-])/g,
  },
  {
    kind: 'date',
    rule: 'month-dash-year',
    score: 0.85,
    expression: /(?<![\w/.-])(?:0?[1-9]|1[0-2])-(?:19|20)\d{2}(?![\w-]|[ ]?(?:mg|ml|kcal|cal)\b)/g,
  },
  {
    kind: 'date',
    rule: 'part-of-month',
    score: 0.85,
    expression:
      /\b(?:mid|early|late|end)[- ](?:of[ ])?((?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)[a-z]{0,6})\b/g,
  },
  {
    kind: 'date',
    rule: 'next-month',
    score: 0.8,
    expression:
      /\b(?:RTC|visit|f\/u|follow[ -]up|return|again|recheck|appt|appointment|since|until|til|till|back|d\/c|dc|due|fall|surgery|scan)[ ](?:in[ ]|for[ ]|on[ ])?(January|February|March|April|May|June|July|August|September|October|November|December)(?=[.,;)]|\s*$|\n)/g,
  },
  {
    kind: 'date',
    rule: 'day-of-month-alone',
    score: 0.8,
    expression:
      /\b(?:on|until|till?|by|from|since|after|before)[ ]the[ ](\d{1,2}(?:st|nd|rd|th))(?=[.,;)]|[ ](?:and|for|with|at|she|he|to|of this|of last|of next)\b|\s*$)/g,
    holds: (words) => Number.parseInt(words, 10) > 2 && Number.parseInt(words, 10) <= 31,
  },
  {
    kind: 'id',
    rule: 'long-number',
    score: 0.75,
    expression:
      /(?<![\w.,/-])\d{7,14}(?![\w%]|[.,]\d|-\d|[ ]?(?:mg|mcg|ml|mL|units?|copies|IU|cells|CFU|cfu|steps)\b)/g,
    holds: (words, text, start) =>
      !/(?:SNOMED(?: CT)?|SCTID|SCT|RxNorm|RxCUI|LOINC|NDC|NCT|PMID|codes?)[ :#]{0,3}$/i.test(
        text.slice(Math.max(0, start - 14), start),
      ) && !/0{5}$/.test(words),
  },
  {
    kind: 'id',
    rule: 'mixed-number',
    score: 0.72,
    expression:
      /(?<![\w.,/-])(?=[A-Z0-9/_-]{0,24}[A-Z])(?=(?:[A-Z/_-]{0,8}\d){5})[A-Z0-9]{1,12}(?:[-/_][A-Z0-9]{1,12}){0,4}(?![\w%]|[.,]\d|[-/]\w)/g,
    holds: (words) =>
      !/^(?:G\d+P\d+|[A-Z]\d\d\.|CYP|HLA|NCT|ICD|CPT|SARS|COVID)/.test(words) &&
      !/^[TL]\d{1,2}-/.test(words) &&
      !/^\d{1,4}(?:MG|ML|MCG|G|K|X\d+)$/.test(words) &&
      !/^\d+\/\d+[A-Z]*$/.test(words),
  },
  {
    kind: 'id',
    rule: 'number-of-anything',
    score: 0.78,
    expression:
      /\b\p{L}{2,12}[ ]?(?:#|ID[ :]|No[.:]|no\.|nr\.?[ :]|Nr\.?[ :])[ ]?#?[ ]?((?=[\w/-]{0,12}\d{3})[A-Z0-9][\w/-]{3,20})(?![\w%])/gu,
  },
  {
    kind: 'phone',
    rule: 'joined-extension',
    score: 0.8,
    expression: /(?<![\w.,/-]|\d[ ]?)[px](\d{4,5})(?![\w%]|[.,]\d)/g,
  },
  {
    kind: 'address',
    rule: 'house-and-town',
    score: 0.9,
    expression: new RegExp(
      `(?<![\\w/.-])\\d{1,5}[ ](?:[NSEW]\\.?[ ])?(?:${NAME}|\\d{1,3}(?:st|nd|rd|th))(?:[ ](?:#|Apt|Unit)[ ]?\\w{1,4})?,[ ]${NAME}(?:[ ]${NAME})?(?:,?[ ][A-Z]{2})?[ ]\\d{5}(?!\\d)`,
      'gu',
    ),
  },
  {
    kind: 'address',
    rule: 'numbered-street',
    score: 0.85,
    expression: /(?<![\w/.-])\d{1,5}[ ][NSEW]\.?[ ]\d{1,3}(?:st|nd|rd|th)\b/g,
  },
  {
    kind: 'organisation',
    rule: 'firm',
    score: 0.85,
    expression: new RegExp(
      `(?<![\\p{L}])${NAME}(?:(?:,[ ]|[ ]&[ ]|,?[ ]and[ ]|[ ])${NAME}){0,4},?[ ](?:LLP|LLC|PLLC|P\\.C\\.|PC|Inc\\b\\.?|Ltd\\b\\.?|GmbH)(?![\\p{L}])`,
      'gu',
    ),
  },
  {
    kind: 'address',
    rule: 'town-and-postcode',
    score: 0.9,
    expression: new RegExp(
      `(?<![\\p{L}])${NAME}(?:[ ]${NAME})?,?[ ][A-Z]{1,2}\\d[A-Z\\d]?[ ]\\d[A-Z]{2}(?!\\w)`,
      'gu',
    ),
  },
];
