import type { PhiKind } from '../model.js';
import { alternation, type Found, phiRules, wordSet } from './rules.js';
import { SHORTHAND } from './shorthand.js';
import { type Pattern, TOLD } from './told.js';
import { isUnseenWord } from './unknown-names.js';

/**
 * Personal data that shows by its own form or by the label before it. Every expression is bounded: no quantifier
 * without an upper limit stands behind another that can match the same characters, so the time is linear.
 */
const MONTH =
  '(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?|JAN(?:UARY)?|FEB(?:RUARY)?|MAR(?:CH)?|APR(?:IL)?|MAY|JUNE?|JULY?|AUG(?:UST)?|SEPT?(?:EMBER)?|OCT(?:OBER)?|NOV(?:EMBER)?|DEC(?:EMBER)?)';
const DAY = '(?:0?[1-9]|[12]\\d|3[01])';
const MONTH_NUMBER = '(?:0?[1-9]|1[0-2])';
const YEAR = '(?:18|19|20)\\d{2}';
const ORDINAL =
  '(?:twenty|thirty)[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth';
const STREET = alternation(phiRules.streets.split('|'));
const STATE = phiRules.states.split(' ').join('|');
const CAPITAL_WORD = "[A-Z][A-Za-z'’.-]{0,30}";
const TOWN = "(?:[A-Z][A-Za-z'’-]{1,30}[ ]){0,2}[A-Z][a-z'’-]{1,30}";
const stateNames = new Set(phiRules.stateNames.toLowerCase().split('|'));
const notNames = wordSet(phiRules.notNames);

function isDayAndMonth(words: string): boolean {
  const [a, b] = words.split(/[/-]/).map(Number) as [number, number];
  return (a >= 1 && a <= 12 && b >= 1 && b <= 31) || (b >= 1 && b <= 12 && a >= 1 && a <= 31);
}

function isNumericDate(words: string): boolean {
  const parts = words.split(/[/.-]/);
  return isDayAndMonth(`${parts[0]}/${parts[1]}`);
}

const PATTERNS: readonly Pattern[] = [
  {
    kind: 'email',
    rule: 'email',
    score: 0.99,
    expression: /(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}/g,
  },
  {
    kind: 'url',
    rule: 'url',
    score: 0.99,
    expression: /\b(?:https?:\/\/|ftp:\/\/|www\.)[^\s<>"')\]]{3,500}/gi,
  },
  {
    kind: 'url',
    rule: 'domain',
    score: 0.9,
    expression:
      /(?<![\w@.-])(?:[a-z0-9-]{2,40}\.){1,3}(?:com|org|net|edu|gov|io|health)(?:\/[^\s<>"')\]]{0,300})?(?![\w-])/gi,
  },
  {
    kind: 'ip',
    rule: 'ipv4',
    score: 0.95,
    expression: /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)/g,
    holds: (words) => words.split('.').every((part) => Number(part) <= 255),
  },
  {
    kind: 'ip',
    rule: 'ipv6',
    score: 0.95,
    expression: /(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}:?[0-9a-f]{1,4}(?![\w:])/gi,
    holds: (words) => /[a-f]/i.test(words) || words.split(':').length === 8,
  },
  {
    kind: 'device',
    rule: 'mac',
    score: 0.95,
    expression: /(?<![\w:-])[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}(?![\w:-])/gi,
  },
  { kind: 'ssn', rule: 'ssn', score: 0.97, expression: /(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])/g },
  { kind: 'ssn', rule: 'ssn-masked', score: 0.9, expression: /(?<!\w)[Xx*]{3}-[Xx*]{2}-\d{4}(?!\d)/g },
  {
    kind: 'phone',
    rule: 'phone',
    score: 0.97,
    expression:
      /(?<![\w.+-])(?:\+?1[ .-]?)?(?:\(\d{3}\)[ .-]{0,2}|\d{3}[.-])\d{3}[ .-]\d{4}(?:[ ]?(?:x|ext\.?|extension)[ ]?\d{1,6})?(?![\w-])/gi,
  },
  {
    kind: 'phone',
    rule: 'phone-spaced',
    score: 0.9,
    expression: /(?<![\w.+-])\d{3} \d{3}[ -]\d{4}(?![\w-])/g,
  },
  {
    kind: 'phone',
    rule: 'phone-international',
    score: 0.95,
    expression: /(?<!\w)\+\d{1,3}(?:[ .-]?\(?\d{1,5}\)?){2,6}(?!\w)/g,
    holds: (words) => words.replace(/\D/g, '').length >= 8,
  },
  {
    kind: 'date',
    rule: 'iso',
    score: 0.98,
    expression: new RegExp(
      `(?<![\\d-])${YEAR}[-/]${MONTH_NUMBER}[-/]${DAY}(?:T[\\d:.]{4,15}(?:Z|[+-]\\d\\d:?\\d\\d)?)?(?![\\d-])`,
      'g',
    ),
  },
  {
    kind: 'date',
    rule: 'numeric',
    score: 0.97,
    expression: /(?<![\d/.-])\d{1,2}([/-])\d{1,2}\1(?:\d{4}|\d{2})(?![\d/-])/g,
    holds: isNumericDate,
  },
  {
    kind: 'date',
    rule: 'dotted',
    score: 0.95,
    expression: /(?<![\d.])\d{1,2}\.\d{1,2}\.(?:19|20)\d{2}(?![\d.]*\d)/g,
    holds: isNumericDate,
  },
  {
    kind: 'date',
    rule: 'month-year',
    score: 0.85,
    expression: new RegExp(`(?<![\\d/.-])${MONTH_NUMBER}/(?:19|20)\\d{2}(?![\\d/])`, 'g'),
  },
  {
    kind: 'date',
    rule: 'month-day',
    score: 0.96,
    expression: new RegExp(
      `(?<![A-Za-z])${MONTH}\\.?[ ]?${DAY}(?:st|nd|rd|th)?(?:(?:,[ ]?|[ ])(?:${YEAR}|'\\d{2}))?(?![\\d/%]|\\.\\d|[ ]?(?:mg|mcg|g|ml|units?|tabs?|of the|times|days|hours|weeks)\\b)`,
      'g',
    ),
  },
  {
    kind: 'date',
    rule: 'day-month',
    score: 0.96,
    expression: new RegExp(
      `(?<![\\w/.-])${DAY}(?:st|nd|rd|th)?(?:[ -]| of )${MONTH}\\.?(?:,?[ -](?:${YEAR}|\\d{2}(?!\\d)))?(?![A-Za-z])`,
      'g',
    ),
    holds: (words) => !/[ ]may$/.test(words),
  },
  {
    kind: 'date',
    rule: 'month-of-year',
    score: 0.95,
    expression: new RegExp(`(?<![A-Za-z])${MONTH}\\.?,?(?:[ ]| of )${YEAR}(?!\\d)`, 'g'),
  },
  {
    kind: 'date',
    rule: 'month-alone',
    score: 0.7,
    expression: new RegExp(
      `\\b(?:in|since|last|until|early|late|mid-?|this past|by|of|next)[ ](${MONTH.replace('May|', 'May|')})(?![A-Za-z]|[ ]have)`,
      'g',
    ),
  },
  {
    kind: 'date',
    rule: 'label-day',
    score: 0.85,
    expression: new RegExp(
      `(?<![a-z])(?:${alternation(phiRules.dateLabels.split('|'))})(?:[ ]?[:#]|[ ])[ ]{0,3}(\\d{1,2}[/-]\\d{1,2})(?![\\d/%]|-\\d|[ ]?(?:mg|mcg|ml|days?|hours?|weeks?|months?|tabs?|tablets?|strength|pain|systolic|murmur|doses?|units?|lb|kg|cm|mm|in\\b)|\\.\\d)`,
      'gi',
    ),
    holds: (words, text, _, end) =>
      isDayAndMonth(words) &&
      (words.includes('/') ||
        /[:]/.test(text.slice(Math.max(0, end - words.length - 3), end - words.length))),
  },
  {
    kind: 'date',
    rule: 'weekday-day',
    score: 0.95,
    expression:
      /\b(?:Mon|Tue|Tues|Wed|Wednes|Thu|Thur|Thurs|Fri|Sat|Satur|Sun)(?:day)?,?[ ](\d{1,2}[/-]\d{1,2})(?![\d/-])/gi,
    holds: isDayAndMonth,
  },
  {
    kind: 'date',
    rule: 'label-compact',
    score: 0.9,
    expression: /(?<![a-z])(?:dob|d\.o\.b\.|date of birth|birth ?date)[ ]?[:#]?[ ]{0,3}(\d{8}|\d{6})(?!\d)/gi,
  },
  {
    kind: 'age',
    rule: 'age',
    score: 0.95,
    expression:
      /(?<![\d./])(?:9\d|1[01]\d)(?:[ ]?-?[ ]?(?:years?|yrs?|yr\.?)[ ]?-?[ ]?(?:olds?)?\b|[ ]?-?[ ]?(?:y\.?\/?o\.?|yo[MFmf]?)(?![a-z]))/gi,
    holds: (_, text, start, end) =>
      !/^[ ]?(?:ago|history|h\/o)/i.test(text.slice(end, end + 12)) &&
      !/\b(?:for|over|x|past)[ ]$/i.test(text.slice(Math.max(0, start - 6), start)),
  },
  {
    kind: 'age',
    rule: 'age-label',
    score: 0.95,
    expression: /(?<![a-z])(?:age|aged|age of|turned)[ ]?:?[ ]{0,2}(9\d|1[01]\d)(?![\d%/]|\.\d)/gi,
  },
  {
    kind: 'age',
    rule: 'nineties',
    score: 0.8,
    expression: /\b(?:in (?:his|her|their)(?: (?:early|mid|late))?)[ -](90s|nineties|100s)\b/gi,
  },
  { kind: 'age', rule: 'centenarian', score: 0.8, expression: /\b(?:nonagenarian|centenarian)\b/gi },
  {
    kind: 'address',
    rule: 'street',
    score: 0.95,
    expression: new RegExp(
      `(?<![\\w/.-])\\d{1,6}[A-Z]?[ ](?:[NSEW]\\.?[ ]|North[ ]|South[ ]|East[ ]|West[ ])?(?:(?:${CAPITAL_WORD}|\\d{1,3}(?:st|nd|rd|th))[ ]){1,4}(?:${STREET})\\b\\.?(?:[ ][NSEW]{1,2}(?![A-Za-z]))?(?:,?[ ]?(?:Apt|Apartment|Unit|Suite|Ste|Floor|Fl|#)\\.?[ ]?[A-Z0-9-]{1,6})?(?:,[ ]${TOWN}(?:,?[ ](?:${STATE})(?![A-Za-z])(?:[ ]{1,2}\\d{5}(?:-\\d{4})?)?|[ ]{1,2}\\d{5}|[ ]{1,2}[A-Z]{1,2}\\d[A-Z\\d]? \\d[A-Z]{2})?)?`,
      'g',
    ),
  },
  {
    kind: 'address',
    rule: 'street-before',
    score: 0.9,
    expression: new RegExp(
      `(?<![\\w/.-])(?:\\d{1,5}[a-z]?,?[ ])?(?:Calle|Avenida|Av\\.|Rua|Rue|Via|Viale|Piazza|Plaza|Camino|Carrer|Chemin|Impasse|Boulevard|Strada|Ulica|Ul\\.)[ ](?:(?:de|del|da|do|des|du|la|le)[ ]){0,2}${TOWN}(?:[ ]\\d{1,5}[a-z]?)?(?:,?[ ](?:Apt|Apto|Piso|Bis|Unit|#)\\.?[ ]?[A-Z0-9-]{1,6})?(?:,[ ]${TOWN},?[ ](?:${STATE})[ ]{1,2}\\d{5})?`,
      'g',
    ),
  },
  { kind: 'address', rule: 'po-box', score: 0.97, expression: /\bP\.?[ ]?O\.?[ ]?Box[ ]{1,2}\d{1,7}/gi },
  {
    kind: 'address',
    rule: 'city-state-zip',
    score: 0.95,
    expression: new RegExp(
      `(?<![A-Za-z])(?:${CAPITAL_WORD}[ ]){0,2}${CAPITAL_WORD},?[ ](?:${STATE})[ ]{1,2}\\d{5}(?:-\\d{4})?(?!\\d)`,
      'g',
    ),
  },
  {
    kind: 'address',
    rule: 'city-state',
    score: 0.85,
    expression: new RegExp(
      `(?<![A-Za-z])(?:${CAPITAL_WORD}[ ]){0,2}${CAPITAL_WORD},[ ](?:${STATE}|${alternation(phiRules.stateNames.split('|'))})(?![A-Za-z]|\\.[A-Z])`,
      'g',
    ),
    holds: (words) =>
      !/^(?:.*,[ ])?(?:MD|PA|CO|MA|DE|IN|OR|ME)$/.test(words.slice(words.lastIndexOf(',') + 1).trim()) &&
      !words
        .split(/[ ,]+/)
        .slice(0, -1)
        .some((word) => notNames.has(word.toLowerCase())),
  },
  {
    kind: 'address',
    rule: 'zip',
    score: 0.95,
    expression:
      /\b(?:zip|zip code|zipcode|postal code|postcode)[ ]?:?[ ]{0,2}(\d{5}(?:-\d{4})?|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})\b/gi,
  },
  {
    kind: 'address',
    rule: 'uk-postcode',
    score: 0.85,
    expression: /(?<![\w-])[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}(?!\w)/g,
  },
  {
    kind: 'address',
    rule: 'address-label',
    score: 0.95,
    expression:
      /(?<![a-z])(?:home address|mailing address|street address|address|addr)[ ]?:[ \t]{0,4}([^\s][^\n\r;]{2,120})/gi,
    holds: (words) => !/^(?:unknown|none|not|same|n\/a|on file|homeless)/i.test(words),
  },
  {
    kind: 'address',
    rule: 'place',
    score: 0.8,
    expression: new RegExp(
      `\\b(?:${alternation(phiRules.placeCues.split('|'))})[ ](?:the (?:city|town|village) of )?((?:${CAPITAL_WORD}[ ]){0,2}[A-Z][A-Za-z'’-]{1,30})`,
      'g',
    ),
    holds: (words) =>
      !stateNames.has(words.toLowerCase()) &&
      words !== words.toUpperCase() &&
      !words.split(' ').some((word) => notNames.has(word.toLowerCase())),
  },
  {
    kind: 'phone',
    rule: 'phone-national',
    score: 0.9,
    expression: /(?<![\w.+-])(?:\(0\d{2,4}\)|0\d{2,4})[ -]\d{3,4}(?:[ -]?\d{3,4}){1,2}(?![\w-])/g,
  },
  {
    kind: 'id',
    rule: 'handle',
    score: 0.85,
    expression: /(?<![\w.@])@[A-Za-z_][A-Za-z0-9_.]{2,30}(?!@)/g,
  },
  {
    kind: 'name',
    rule: 'user-name',
    score: 0.8,
    expression:
      /\b(?:by|user|login|username|signed|author)[ ]?:?[ ]((?=[a-z.]{0,14}\d)[a-z][a-z.]{2,14}\d{1,4})(?!\w)/gi,
  },
  {
    kind: 'name',
    rule: 'user-name-of',
    score: 0.75,
    expression: /(?<![\w@.-])([a-z]{4,14}\d{0,3})(?=[ ]\((?:[A-Z]\.[ ]?){0,2}[A-Z][a-z'’-]{2,20})/g,
    holds: (words) => isUnseenWord(words.replace(/\d+$/, '')) && !/(?:ed|ing|er|al|ly|ail)$/.test(words),
  },
  {
    kind: 'name',
    rule: 'initials',
    score: 0.8,
    expression: /(?<![\w.])([A-Z]\.[ ]?[A-Z]\.)(?=,?[ ](?:RN|MD|NP|PA|LPN|DO|PhD|LCSW|PharmD)\b)/g,
  },
  {
    kind: 'mrn',
    rule: 'letter-number',
    score: 0.7,
    expression: /(?<![\w-])[A-Z]{1,3}\d{6,9}(?![\w-])/g,
  },
  {
    kind: 'id',
    rule: 'oid',
    score: 0.9,
    expression: /(?<![\d.])\d{1,4}(?:\.\d{1,12}){5,14}(?!\.?\d)/g,
  },
  {
    kind: 'date',
    rule: 'compact',
    score: 0.8,
    expression: /(?<![\d.-])(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?![\d.-])/g,
  },
  {
    kind: 'date',
    rule: 'iso-dotted',
    score: 0.9,
    expression: new RegExp(`(?<![\\d.])${YEAR}\\.${MONTH_NUMBER}\\.${DAY}(?![\\d.]*\\d)`, 'g'),
  },
  {
    kind: 'date',
    rule: 'ordinal-words',
    score: 0.95,
    expression: new RegExp(
      `\\b(?:(?:the[ ])?(?:${ORDINAL})[ ](?:day[ ])?of[ ]${MONTH}|${MONTH}[ ](?:the[ ])?(?:${ORDINAL}))(?:,?[ ]${YEAR})?(?![A-Za-z])`,
      'g',
    ),
  },
  {
    kind: 'date',
    rule: 'holiday',
    score: 0.8,
    expression: new RegExp(`(?<![A-Za-z])(?:${phiRules.holidays})(?![A-Za-z])`, 'g'),
  },
  {
    kind: 'age',
    rule: 'age-words',
    score: 0.95,
    expression:
      /\b(?:ninety(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a)[ ]hundred(?:[ ](?:and[ ])?(?:one|two|three|four|five|six|seven|eight|nine))?)[ -](?:years?[ -]old|year-old|years?[ ]of[ ]age)\b/gi,
  },
  {
    kind: 'address',
    rule: 'numbered-road',
    score: 0.85,
    expression:
      /\b(?:Route|Rte\.?|Highway|Hwy\.?|Interstate|County Road|CR|State Road|SR|US|I)[ -]\d{1,4}[A-Z]?(?=[ ](?:near|at|in|by|and|outside|between|exit|north|south|east|west)\b)/g,
  },
  {
    kind: 'vehicle',
    rule: 'vin',
    score: 0.8,
    expression: /(?<!\w)(?=[A-Z0-9]{0,16}\d)(?=[A-Z0-9]{0,16}[A-Z])[A-HJ-NPR-Z0-9]{17}(?!\w)/g,
  },
];

const ORGANISATION_END = new RegExp(
  `(?<=[ \\t])(?:${alternation(phiRules.organisationEnds.split('|'))}|${alternation(phiRules.organisationEnds.toUpperCase().split('|'))})(?![A-Za-z])`,
  'g',
);
const generic = wordSet(phiRules.organisationGeneric);
/** Ends that make an organisation only of a name that no text of medicine has. */
const WEAK_ENDS: ReadonlySet<string> = new Set([
  'surgery',
  'associates',
  'practice',
  'partners',
  'laboratory',
  'institute',
  'center',
  'centre',
  'general',
  'memorial',
  'prep',
  'preparatory',
  'high',
  'ems',
  'ambulance',
  'chemist',
  'chemists',
  'residence',
  'lodge',
  'shelter',
  'church',
  'trust',
  'freight',
  'logistics',
  'industries',
  'company',
  'co',
  'dialysis',
  'imaging',
  'radiology',
  'dispensary',
]);
const ORGANISATION_MAX_WORDS = 5;
const ORGANISATION_MAX_LENGTH = 120;

/** The capitalised words before "Hospital": at least one of them must be a name of its own. */
function* organisations(text: string): Generator<Found> {
  ORGANISATION_END.lastIndex = 0;
  for (let match = ORGANISATION_END.exec(text); match; match = ORGANISATION_END.exec(text)) {
    const end = match.index + match[0].length;
    if (/^[ \t](?:Course|COURSE|course|Day|DAY|day|stay|Problem|Visit)/.test(text.slice(end, end + 9)))
      continue;
    const before = text.slice(Math.max(0, match.index - ORGANISATION_MAX_LENGTH), match.index);
    const line = before.slice(Math.max(before.lastIndexOf('\n'), before.lastIndexOf(':')) + 1);
    const words = [...line.matchAll(/\S+/g)];
    let start = match.index;
    let own = false;
    const weak = WEAK_ENDS.has(match[0].toLowerCase());
    for (let at = words.length - 1, taken = 0; at >= 0 && taken < ORGANISATION_MAX_WORDS; at--, taken++) {
      const word = words[at]![0];
      const bare = word.toLowerCase().replace(/[.,'’]/g, '');
      const joins = /^(?:of|the|and|&|for|de|la)$/.test(word) && at > 0 && /^[A-Z]/.test(words[at - 1]![0]);
      if (
        !joins &&
        (!/^[A-Z&]/.test(word) ||
          /[,;:)]$/.test(word) ||
          (/\.$/.test(word) && word !== 'St.' && word !== 'ST.' && word !== 'Mt.'))
      )
        break;
      if (
        /^(?:Transferred|Admitted|Seen|From|At|To|The|In|Dear|Discharged|Presented|Follow|Outside|OSH)$/.test(
          word,
        )
      )
        break;
      if (!joins) {
        start = match.index - line.length + words[at]!.index;
        if (!generic.has(bare) && !notNames.has(bare)) own ||= !weak || isUnseenWord(bare);
      }
    }
    if (own)
      yield { start, end, kind: 'organisation', score: 0.85, rule: `organisation:${match[0].toLowerCase()}` };
  }
}

interface Label {
  readonly kind: PhiKind;
  readonly rule: string;
}
const labels = new Map<string, Label>();
for (const row of phiRules.idLabels)
  for (const words of row.words.split('|'))
    labels.set(words.replace(/ /g, ''), { kind: row.kind, rule: `label:${words}` });
const LABEL = new RegExp(
  `(?<![A-Za-z])(${alternation([...phiRules.idLabels.flatMap((row) => row.words.split('|'))])})(?![a-z])`,
  'gi',
);
/** What may stand between a label and its number; a sign makes the label sure, without one it must be a long number. */
const AFTER_LABEL =
  /^(?:[ \t]{0,3}(?:number|no|num|id|is|was|of)\b\.?){0,2}[ \t]{0,3}(#?[ \t]?[:#=][ \t]{0,3}#?|\.[ \t]|#)?[ \t]{0,3}((?=[A-Za-z]{0,6}[-/ ]?\d)[A-Za-z0-9][A-Za-z0-9*]{0,24}(?:[-/.][A-Za-z0-9*]{1,20}){0,5}(?: (?=\d)\d{2,6}){0,4})(?![\w%])/;
const NUMBER_MIN_LENGTH = 5;
/** Telephones whose numbers are short. */
const SHORT_NUMBERS: ReadonlySet<string> = new Set([
  'pager',
  'beeper',
  'bleep',
  'extension',
  'ext',
  'key safe code',
  'access code',
  'door code',
  'pin',
  'passcode',
]);

/** Numbers and codes after a label that says what they are. */
function* labelled(text: string): Generator<Found> {
  LABEL.lastIndex = 0;
  for (let match = LABEL.exec(text); match; match = LABEL.exec(text)) {
    const from = match.index + match[0].length;
    const rest = AFTER_LABEL.exec(text.slice(from, from + 120));
    if (!rest) continue;
    const [all, sign, value] = rest;
    const digits = value!.replace(/\D/g, '').length;
    const label = labels.get(match[1]!.toLowerCase().replace(/\s+/g, ''));
    if (!label || digits === 0) continue;
    // "call 911", "visit 3", "MR 2+", "ID 5": a short number without a sign counts; it does not name.
    const short = label.kind === 'vehicle' || SHORT_NUMBERS.has(match[1]!.toLowerCase());
    const least = short ? 3 : label.kind === 'phone' ? 7 : NUMBER_MIN_LENGTH;
    if (sign === undefined && digits < least) continue;
    if (sign !== undefined && digits < (label.kind === 'mrn' || label.kind === 'phone' ? 4 : 3)) continue;
    if (/^\d{1,2}[/-]\d{1,2}[/-](?:\d{2}|\d{4})$/.test(value!) && isNumericDate(value!)) continue;
    if (
      /^[ ]?(?:mg|mcg|ml|mmHg|bpm|%|days?|hours?|years?)\b/i.test(
        text.slice(from + all.length, from + all.length + 7),
      )
    )
      continue;
    yield {
      start: from + all.length - value!.length,
      end: from + all.length,
      kind: label.kind,
      score: sign === undefined ? 0.85 : 0.97,
      rule: label.rule,
    };
  }
}

const FAX_BEFORE = /\bfax(?:[ ](?:number|no\.?|#))?[ ]?[:#]?[ ]{0,3}$/i;

const ALL_PATTERNS: readonly Pattern[] = [...PATTERNS, ...TOLD, ...SHORTHAND];

/** Every pattern's finds; they may overlap. */
export function* patternFinds(text: string): Generator<Found> {
  for (const { kind, rule, expression, score, holds } of ALL_PATTERNS) {
    expression.lastIndex = 0;
    for (let match = expression.exec(text); match; match = expression.exec(text)) {
      // Group 1 is the part itself where the expression holds a cue too; a separator is never it.
      const part = match[1] !== undefined && match[1].length > 1 ? match[1] : match[0];
      const start = match.index + match[0].lastIndexOf(part);
      const words = part.replace(/[\s.,;:]+$/, '');
      const end = start + words.length;
      if (words === '' || holds?.(words, text, start, end) === false) continue;
      const fax = kind === 'phone' && FAX_BEFORE.test(text.slice(Math.max(0, start - 20), start));
      yield { start, end, kind: fax ? 'fax' : kind, score, rule };
    }
  }
  yield* labelled(text);
  yield* organisations(text);
}
