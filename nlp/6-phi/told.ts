import type { PhiKind } from '../model.js';
import { alternation, FAMILY, GIVEN, ORDINARY, phiRules, wordSet } from './rules.js';
import { isUnknownWord, isUnseenWord } from './unknown-names.js';

/**
 * Personal data that only the words around it give away: "works nights at Amazon", "known to us as Red". Bounded like
 * the patterns by form.
 */
export interface Pattern {
  readonly kind: PhiKind;
  readonly rule: string;
  readonly expression: RegExp;
  readonly score: number;
  /** Said of the match (group 1 where there is one): false where it is something else after all. */
  readonly holds?: (words: string, text: string, start: number, end: number) => boolean;
}

const notNames = wordSet(phiRules.notNames);
const generic = wordSet(phiRules.organisationGeneric);
/** States and countries are larger than what must be hidden. */
const stateWords = new Set(`${phiRules.stateNames}|${phiRules.countries}`.toLowerCase().split('|'));
const NAME = "[A-Z][\\p{L}'’-]{1,24}";
const NAMES = `${NAME}(?:[ ](?:(?:de|del|la|el|le|na|of|and|&|the)[ ])?${NAME}){0,3}`;
const MONTHS = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';
/** Scores, visual acuities and settings that look like a day of a month. */
const SCORED =
  /\b(?:MMSE|MoCA|SLUMS|score[ds]?|scale|PHQ(?:-9)?|GAD(?:-7)?|Barthel|Braden|Berg|AIMS|NIHSS|FIM|Morse|VA|vision|acuity|OD|OS|OU|BiPAP|CPAP|IPAP|PEEP|settings|ratio|in|of|node[s]?|BP)\b[^\n.;]{0,12}$/i;
const DAY_MONTH = '(?:\\d{1,2}[/-]\\d{1,2})';

function isDayAndMonth(words: string): boolean {
  const [a, b] = words.split(/[/-]/).map(Number) as [number, number];
  return (a >= 1 && a <= 12 && b >= 1 && b <= 31) || (b >= 1 && b <= 12 && a >= 1 && a <= 31);
}

/** A name of its own: not only words that any clinic or note has, nor a short form in capitals. */
function isOwnName(words: string): boolean {
  const parts = words.split(/[ ]/);
  if (parts.every((part) => part === part.toUpperCase())) return false;
  if (parts.length < 3 && stateWords.has(words.toLowerCase())) return false;
  return (
    !notNames.has(parts[0]!.toLowerCase()) &&
    parts.some((part) => {
      const lower = part.toLowerCase().replace(/['’]s?$/, '');
      return lower.length > 2 && !generic.has(lower) && !notNames.has(lower) && isUnseenWord(lower);
    })
  );
}

/** Whom one works for needs no rare name. */
function isCompany(words: string): boolean {
  const first = words.split(' ')[0]!.toLowerCase();
  return words !== words.toUpperCase() && !notNames.has(first) && !generic.has(first);
}

const isName = (word: string): boolean => FAMILY.has(word.toLowerCase()) || isUnknownWord(word.toLowerCase());

export const TOLD: readonly Pattern[] = [
  {
    kind: 'date',
    rule: 'dotted-short',
    score: 0.85,
    expression: /(?<![\d.])\d{1,2}\.\d{1,2}\.\d{2}(?![\d.]*\d)(?![ ]?(?:mg|cm|mm|ml|%))/g,
    holds: (words) => isDayAndMonth(words.split('.').slice(0, 2).join('/')),
  },
  {
    kind: 'date',
    rule: 'weekday-ordinal',
    score: 0.9,
    expression:
      /\b(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs?)?|Fri|Sat(?:ur)?|Sun)(?:day)?\.?,?[ ](?:the[ ])?\d{1,2}(?:st|nd|rd|th)\b/gi,
  },
  {
    kind: 'date',
    rule: 'day-at',
    score: 0.85,
    expression: new RegExp(`(?<![\\d/.-])(${DAY_MONTH})(?=[ ]?@[ ]?\\d|[ ]at[ ]\\d{1,2}:?\\d\\d)`, 'g'),
    holds: isDayAndMonth,
  },
  {
    kind: 'date',
    rule: 'day-bracketed',
    score: 0.85,
    expression: new RegExp(
      `\\b(?:yesterday|today|tomorrow|tonight|day|(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs?)?|Fri|Sat(?:ur)?|Sun)(?:day)?)[ ]\\((${DAY_MONTH})\\)`,
      'gi',
    ),
    holds: isDayAndMonth,
  },
  {
    kind: 'date',
    rule: 'event-day',
    score: 0.85,
    expression: new RegExp(
      `\\b(?:adm|admit|dc|d/c|dc'd|notified|expires|due|appt|appointment|called|faxed|sent|collected|drawn|received|effective|eff|lmp|edd|edc|rev|reviewed|signed|booked for|scheduled for|surgery|discharge)[ ]?:?[ ](${DAY_MONTH})(?![\\d/%]|-\\d|\\.\\d|[ ]?(?:mg|mcg|ml|tabs?|nodes|cores|sessions|cycles|strength|pain|doses?|units?)\\b)`,
      'gi',
    ),
    holds: (words) => words.includes('/') && isDayAndMonth(words),
  },
  {
    kind: 'email',
    rule: 'email-spelled',
    score: 0.95,
    expression:
      /\b[\w.+-]{2,40}[ ]?(?:\(at\)|\[at\]|[ ]at[ ])[ ]?[\w-]{2,30}[ ]?(?:\(dot\)|\[dot\]|[ ]dot[ ])[ ]?(?:com|org|net|edu|gov|uk|ie|de|fr)\b/gi,
  },
  {
    kind: 'phone',
    rule: 'phone-local',
    score: 0.85,
    expression:
      /\b(?:at|on|call|cell|mobile|tel|telephone|phone|ph|home|work|pager|beeper|number|no|ext)\.?[ ]?[:#)]?[ ]{0,2}(\d{3}[.-]\d{4})(?!\d|[.-]\d|[ ]?(?:mg|ml|units?)\b)/gi,
  },
  {
    kind: 'phone',
    rule: 'phone-slashed',
    score: 0.9,
    expression:
      /\b(?:tel|telephone|phone|ph|fax|mobile|call)\.?[ ]?:?[ ]{0,2}(0\d{2,5}[/ -]\d{3,8}(?:[ -]\d{2,6}){0,2})/gi,
  },
  {
    kind: 'ssn',
    rule: 'ssn-end',
    score: 0.9,
    expression: /\bssn[^\n.\d]{0,24}(\d{4})(?!\d)/gi,
  },
  {
    kind: 'age',
    rule: 'age-by-sex',
    score: 0.85,
    expression:
      /\b(?:[MF][ ]?(9\d|1[01]\d)|(9\d|1[01]\d)[ ]?(?:[MF]|female|male|man|woman|lady|gentleman))\b(?![ ]?[%/.])/g,
  },
  {
    kind: 'id',
    rule: 'place-in-house',
    score: 0.75,
    expression:
      /(?<!operating )\b(?:bed|room|rm|bay|cubicle|cell|apt|apartment)[ ]?[#:]?[ ]?((?=[A-Z]{0,2}\d)[A-Z0-9]{2,4}(?:-[A-Z0-9]{1,4})?|\d-[A-Z0-9]{1,4})(?![\w-]|[ ]?(?:days|weeks|minutes|hours|mg))/gi,
    holds: (words) => words.length > 1,
  },
  {
    kind: 'id',
    rule: 'accession',
    score: 0.85,
    expression: /(?<![\w-])[A-Z]{1,3}\d{2}-\d{3,7}(?![\w-])/g,
  },
  {
    kind: 'device',
    rule: 'lot',
    score: 0.9,
    expression: /\b(?:lot|batch)[ ]?(?:#|no\.?|number|:)?[ ]?((?=[A-Z-]{0,8}\d)[A-Z0-9-]{4,14})(?![\w-])/gi,
  },
  {
    kind: 'vehicle',
    rule: 'plate',
    score: 0.85,
    holds: (words) => !/^[CTLS]\d/.test(words),
    expression:
      /\b(?:plate|plates|licen[cs]e plate|tag|registration|reg)[ ]?(?:#|no\.?|number|:|is)?[ ]?((?=[A-Z -]{0,4}\d)[A-Z0-9]{2,4}[ -]?[A-Z0-9]{2,5})(?![\w-])/g,
  },
  {
    kind: 'id',
    rule: 'profile',
    score: 0.85,
    expression:
      /\b(?:instagram|facebook|twitter|snapchat|tiktok|skype|whatsapp|telegram|linkedin|handle|username|screen name|gamertag)[ ]?(?:is|handle|name|page|:|=|as)?[ ]{1,2}((?=[\w.]{0,30}[._\d])[a-z][\w.]{2,30})(?<!\.)/gi,
  },
  {
    kind: 'name',
    rule: 'user-name-at',
    score: 0.8,
    expression: /\bby[ ]([a-z]{5,14})(?=[ ](?:at|on)[ ]\d|,?[ ]\d{1,2}[/:]\d)/g,
    holds: (words) => isUnseenWord(words),
  },
  {
    kind: 'name',
    rule: 'called-by',
    score: 0.85,
    expression: new RegExp(
      `\\b(?:known(?: to us| to all| locally)? as|goes by|nicknamed|who we call|prefers to be called|likes to be called|answers to|my name is|name is|I am|I'm|it's|this is)[ ](?:the name )?["“'‘]?(${NAME})(?=["”'’.,;)]|[ ](?:and|from|in|who|is|was|at|\\())`,
      'gu',
    ),
    holds: (words, text, start) =>
      /["“'‘]/.test(text[start - 1] ?? '') ? !notNames.has(words.toLowerCase()) : isName(words),
  },
  {
    kind: 'name',
    rule: 'family-initial',
    score: 0.85,
    holds: (words) => !notNames.has(words.split(',')[0]!.toLowerCase()) && !/^(?:Yes|No|Ok)\b/.test(words),
    expression: new RegExp(`(?<=["“'‘(]|labell?ed[ ]|[Nn]ame[ ])(${NAME},[ ][A-Z]\\.?)(?![\\p{L}])`, 'gu'),
  },
  {
    kind: 'name',
    rule: 'either-name',
    score: 0.85,
    expression: new RegExp(`(?<=(?:: |\\bby |\\bDrs?\\.? |\\bto |\\bwith ))${NAME}/${NAME}(?![\\w/-])`, 'gu'),
    holds: (words) => words.split('/').every((word) => /\p{Ll}/u.test(word) && isName(word)),
  },
  {
    kind: 'name',
    rule: 'bracketed',
    score: 0.8,
    expression: new RegExp(`(?<=[ ]\\()(${NAME})(?=\\)|,[ ]|[ ](?:cell|mobile|home|work))`, 'gu'),
    holds: (words) => GIVEN.has(words.toLowerCase()) && !ORDINARY.has(words.toLowerCase()),
  },
  {
    kind: 'name',
    rule: 'child-of',
    score: 0.9,
    expression: new RegExp(
      `\\b(?:[Bb]aby|[Ii]nfant|[Cc]hild|[Tt]wins?|B/O)[ ](?:of[ ])?(${NAME},[ ]${NAME})`,
      'gu',
    ),
    holds: (words) => words.split(', ').some(isName),
  },
  {
    kind: 'address',
    rule: 'road-without-number',
    score: 0.85,
    expression: new RegExp(
      `\\b(?:on|at|near|along|off|from|down)[ ](?:the[ ])?((?:${NAME}[ ]){1,2}(?:Road|Rd|Street|Avenue|Ave|Boulevard|Blvd|Lane|Ln|Drive|Highway|Hwy|Terrace|Close|Crescent|Parkway|Turnpike)\\b\\.?)`,
      'gu',
    ),
  },
  {
    kind: 'address',
    rule: 'road-number',
    score: 0.85,
    expression:
      /\b(?:on|off|near|along|via|at)[ ]((?:Route|Rte\.?|Highway|Hwy\.?|Interstate|County Road|State Road|I)[ -]\d{1,4}[A-Z]?)\b/g,
  },
  {
    kind: 'address',
    rule: 'corner',
    score: 0.85,
    expression: new RegExp(
      `\\b(?:corner|intersection|junction) of ((?:\\d{1,3}(?:st|nd|rd|th)|${NAME})(?: (?:St|Ave|Street|Avenue|Rd|Road)\\.?)? and (?:\\d{1,3}(?:st|nd|rd|th)|${NAME}))`,
      'gu',
    ),
  },
  {
    kind: 'address',
    rule: 'house-letter',
    score: 0.9,
    expression: new RegExp(
      `(?<![\\w/.-])\\d{1,5}[a-z]?[ ](?:${NAME}[ ]){1,3}(?:${alternation(phiRules.streets.split('|').filter((end) => end.length > 2))})\\b`,
      'gu',
    ),
  },
  {
    kind: 'address',
    rule: 'street-joined',
    score: 0.9,
    expression: new RegExp(
      `(?<![\\p{L}])[A-ZÄÖÜÅØ][\\p{L}-]{2,25}(?:str\\.|straße|strasse|weg|platz|gasse|allee|laan|straat|gatan|vägen|vej|gate)[ ]\\d{1,4}[a-z]?(?:,[ ]\\d{4,5}[ ]${NAME})?`,
      'gu',
    ),
  },
  {
    kind: 'address',
    rule: 'place-told',
    score: 0.8,
    expression: new RegExp(
      `\\b(?:mayor of|fell in|shot in|injured in|here from|up from|down from|over from|stationed in|deployed to|incarcerated in|jailed in|vacationing in|on vacation in|on holiday in|raised in|house in|home in|apartment in|flat in|farm in|relocated to|relocating to|moving to|returned to|returning to|back in|based in|out of|family in|sister in|brother in)[ ](${NAMES})`,
      'gu',
    ),
    holds: isOwnName,
  },
  {
    kind: 'address',
    rule: 'physician-in',
    score: 0.75,
    expression: new RegExp(`(?<=[A-Z][\\p{L}'’-]{2,20}[ ]in[ ])(${NAMES})(?=[.,;)])`, 'gu'),
    holds: isOwnName,
  },
  {
    kind: 'organisation',
    rule: 'employer',
    score: 0.8,
    expression: new RegExp(
      `\\b(?:works?|worked|working|employed|job|cashier|cook|clerk|driver|guard|manager|teaches|taught|studies|studied|student|enrolled|volunteers)(?: (?:nights|days|part time|full time|part-time|full-time|shifts))?[ ](?:at|for|with)[ ](?:the[ ])?(${NAMES})`,
      'gu',
    ),
    holds: isCompany,
  },
  {
    kind: 'organisation',
    rule: 'cared-for-at',
    score: 0.8,
    expression: new RegExp(
      `\\b(?:followed|seen|treated|admitted|hospitali[sz]ed|delivered|transferred|evaluated|sent|operated|diagnosed|transplanted|sees \\w{2,14}|Transferred|Seen|Followed|(?:and|by [A-Z]\\p{L}{2,20}))[ ](?:at|from|to)[ ](?:the[ ])?(${NAMES})`,
      'gu',
    ),
    holds: isOwnName,
  },
  {
    kind: 'organisation',
    rule: 'organisation-label',
    score: 0.85,
    expression: new RegExp(
      `\\b(?:Insurance|Insurer|Payer|Payor|Carrier|School|Employer|Facility|Pharmacy|Church|Daycare|Nursery|Hospice|Referring facility|Practice|[Gg]roup home|[Dd]ialysis unit|[Nn]ursing home)(?:[ ]?:[ ]{0,3}|[ ]is[ ])(${NAMES})`,
      'gu',
    ),
    holds: (words) => !notNames.has(words.split(' ')[0]!.toLowerCase()),
  },
  {
    kind: 'organisation',
    rule: 'company',
    score: 0.8,
    expression: new RegExp(`(?<![\\p{L}])(?:${phiRules.companies})(?![\\p{L}])`, 'gu'),
  },
  {
    kind: 'organisation',
    rule: 'saint',
    score: 0.8,
    expression: /\bSt\.?[ ][A-Z][a-z]{2,15}['’]s\b/g,
    holds: (words) => !/Vitus|Anthony|John['’]s$/.test(words),
  },
  {
    kind: 'date',
    rule: 'joined',
    score: 0.95,
    expression: new RegExp(`(?<![\\w.-])(?:0?[1-9]|[12]\\d|3[01])${MONTHS}(?:19|20)?\\d{2}(?!\\w)`, 'gi'),
  },
  {
    kind: 'date',
    rule: 'month-short-year',
    score: 0.9,
    expression: new RegExp(
      `(?<![A-Za-z])${MONTHS}[a-z]{0,6}\\.?(?:-(?:19|20)\\d{2}|[ -]?['’]\\d{2})(?!\\w)`,
      'g',
    ),
  },
  {
    kind: 'date',
    rule: 'apostrophe-year',
    score: 0.95,
    expression: /(?<![\d/.-])\d{1,2}[/-]\d{1,2}[/-]['’]\d{2}(?!\d)/g,
  },
  {
    kind: 'date',
    rule: 'day-alone',
    score: 0.7,
    expression:
      /(?<![\d/.A-Za-z#-])(?:\d|1[0-2])\/(?:1[3-9]|2\d|3[01])(?![\d/%]|\.\d|[ ]?(?:mg|mcg|ml|nodes|lymph|LNs?|cores|sessions|cycles|strength|pain|points?|tabs?|units?|bilaterally|vision|items|teeth|of|daily|bid|q\d)\b)/g,
    holds: (words, text, start, end) =>
      !/^6\/(?:18|24)/.test(words) &&
      !SCORED.test(text.slice(Math.max(0, start - 28), start)) &&
      !/^[ ]?(?:\(|on[ ](?:the )?[A-Z]|positive|involved|negative)/.test(text.slice(end, end + 12)),
  },
  {
    kind: 'age',
    rule: 'age-after-birth',
    score: 0.9,
    expression: /\b(?:DOB|born)[^\n(]{0,20}\((9\d|1[01]\d)\)/gi,
  },
  {
    kind: 'age',
    rule: 'age-told',
    score: 0.85,
    expression: /\b(?:I['’]m|I am|he['’]s|she['’]s)[ ](9\d|1[01]\d)(?=[.,;"”!]|[ ]and\b)/gi,
  },
  {
    kind: 'id',
    rule: 'numbered-record',
    score: 0.85,
    expression:
      /\b(?:report|case|badge|run|incident|ticket|confirmation|requisition|docket|warrant|inmate|booking|permit|bin|pcn|grp|rx|auth|authorization|tracking)(?:[ ](?:no\.?|number|id)|[ ]?#)?[ ]?:?[ ]?#?((?=[A-Z-]{0,4}\d)(?:[A-Z]{0,3}-?)?\d[\dA-Z-]{3,13})(?![\w-]|[ ]?(?:mg|mcg|ml|units?|cc)\b)/gi,
  },
  {
    kind: 'health-plan',
    rule: 'member',
    score: 0.9,
    expression:
      /\b(?:member|subscriber|policyholder)(?:[ ](?:id|no\.?|number))?[ ]?[#:]?[ ]?([A-Z]{0,3}\d[\d -]{5,18}\d)(?!\w)/gi,
  },
  {
    kind: 'address',
    rule: 'eircode',
    score: 0.9,
    expression: new RegExp(
      `(?<![\\w-])(?:${NAME},[ ])?[AC-FHKNPRTV-Y]\\d[\\dW][ ](?=[A-Z0-9]{0,3}\\d)[A-Z0-9]{4}(?!\\w)`,
      'gu',
    ),
  },
  {
    kind: 'name',
    rule: 'initial-joined',
    score: 0.85,
    expression: /\bby[ ]([A-Z]{1,2}[A-Z][a-z]{2,14})(?![\w-])/g,
    holds: (words) => isUnseenWord(words.toLowerCase()),
  },
  {
    kind: 'name',
    rule: 'staff-bracketed',
    score: 0.85,
    expression: new RegExp(
      `\\b(?:staff|interp|interpreter|translator|nurse|tech|aide|worker|manager|caseworker|carer|sitter|coach|sponsor|roommate|counselor|therapist)[ ]?(?:\\(|: ?)(${NAME})(?=[),])`,
      'gu',
    ),
    holds: (words) => !notNames.has(words.toLowerCase()),
  },
  {
    kind: 'name',
    rule: 'before-role',
    score: 0.85,
    expression: new RegExp(
      `(?<![\\p{L}.])((?:[A-Z]\\.?[ ])?${NAME})(?=[ ]\\((?:anaes|anaesthetist|ODP|pharmacy|SW|scrub|charge|case mgmt|case management|social work|surgeon|resident|intern|SpR|SHO|scribe|student|HCA|interpreter|interp|daughter|son|wife|husband|mother|father|sister|brother|patient|pt|caller|mom|mum|dad|nurse)\\))`,
      'gu',
    ),
    holds: (words) => !notNames.has(words.split(' ').at(-1)!.toLowerCase()),
  },
  {
    kind: 'name',
    rule: 'quoted',
    score: 0.85,
    expression: new RegExp(
      `\\b(?:[Tt]win [AB12]|[Tt]attoo (?:reads|says|of)|named|called)[ ]["“'‘](${NAME})`,
      'gu',
    ),
  },
  {
    kind: 'name',
    rule: 'firm',
    score: 0.85,
    expression: new RegExp(`\\bMessrs\\.?[ ](${NAME}(?:,[ ]${NAME})?[ ](?:&|and)[ ]${NAME})`, 'gu'),
  },
  {
    kind: 'name',
    rule: 'with-somebody',
    score: 0.8,
    expression: new RegExp(
      `\\b(?:lives|living|here|came|stays|staying|moved in)[ ](?:w|w/|with|c)[ ](${NAME})(?=[ ,.;(])`,
      'gu',
    ),
    holds: isName,
  },
  {
    kind: 'name',
    rule: 'case-initials',
    score: 0.85,
    expression: /\b(?:[Cc]ase of|[Pp]atient|[Pp]t|re:?)[ ]([A-Z]\.[ ]?[A-Z]\.)(?![\w])/g,
  },
  {
    kind: 'name',
    rule: 'family-initial-first',
    score: 0.8,
    expression: new RegExp(`(?<=^|\\n)(${NAME},[ ][A-Z]\\.)(?=[ ][a-z]|[ ]\\d|$)`, 'gu'),
    holds: (words) => isName(words.split(',')[0]!),
  },
  {
    kind: 'name',
    rule: 'capitals-then-given',
    score: 0.8,
    expression:
      /(?<![\p{L}'’-])(\p{Lu}{3,20}(?:[-'’]\p{Lu}{2,20})?[ ]\p{Lu}\p{Ll}{2,15})(?=[ ]{2}|[ ]?[,;(\n]|$)/gu,
    holds: (words) => {
      const [family, given] = words.split(' ') as [string, string];
      return isName(family) && GIVEN.has(given.toLowerCase());
    },
  },
  {
    kind: 'address',
    rule: 'place-from',
    score: 0.75,
    expression: new RegExp(`(?<=[\\p{L})] )from[ ](${NAMES})(?=[.,;)])`, 'gu'),
    holds: isOwnName,
  },
  {
    kind: 'phone',
    rule: 'phone-unbroken',
    score: 0.85,
    expression:
      /\b(?:at|on|call|called|cell|mobile|tel|telephone|phone|ph|fax|home|work|number)[ ]?[:#]?[ ]{0,2}(\d{10,11})(?!\d)/gi,
  },
  {
    kind: 'id',
    rule: 'hash-number',
    score: 0.8,
    expression: /(?<!\w|image[ ]|image)#[ ]?(\d{4,12})(?![\d-]|[ ]?(?:mg|tabs?)\b)/g,
  },
  {
    kind: 'organisation',
    rule: 'house-of-place',
    score: 0.85,
    expression: new RegExp(
      `(?<![\\p{L}])(?:${NAME}[ ]){0,2}(?:Hospital|Infirmary|University|College|Bank|Church|School)[ ](?:of|in)[ ](?:the[ ])?${NAME}`,
      'gu',
    ),
    holds: (words) =>
      !/ of (?:the )?(?:Medicine|Nursing|Surgery|Dentistry|Pharmacy|Public|Psychiatry)$/.test(words),
  },
  {
    kind: 'name',
    rule: 'initials-signing',
    score: 0.8,
    expression:
      /\b(?:collected|drawn|entered|signed|witnessed|reviewed|checked|verified|dispensed|scribed|typed) by[ ]((?:[A-Z]\.?['’]?){2,4}\.?)(?=[ .,;]|$)/g,
    holds: (words) =>
      !/^(?:PT|OT|RN|MD|EMS|PCP|ED|GI|IR|ENT|SW|RT|NP|PA|DO|OB|GP|VA|AP|PA|CT|MRI|US|DR|RPH|LPN|CNA)$/.test(
        words,
      ),
  },
];
