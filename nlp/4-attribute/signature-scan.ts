import type { Attribute, AttributeType } from '../model.js';
import { PLAIN_RANGE, rangeOf, rangeText } from './numbers.js';
import {
  alternatives,
  COUNTED,
  countedText,
  MEASURED,
  measuredText,
  medicationRules,
  memoized,
} from './quantity.js';
import { findFrequencies, timingOf } from './timing.js';

/** An attribute of a medication before it is known whose it is. */
export interface Found extends Attribute {
  /** A measured amount: strength of the product or dose, which its place decides. */
  readonly measured?: boolean;
}

const routeCode = new Map<string, string | undefined>();
for (const row of medicationRules.routes) for (const word of row.words) routeCode.set(word, row.code);

/** Code of a route's words; undefined where the rules do not know them. */
export function routeOf(words: string): string | undefined {
  return routeCode.get(words.toLowerCase().replace(/\s+/g, ' '));
}

const formWords = [
  ...medicationRules.forms.flatMap((row) => row.words),
  ...medicationRules.doseForms.filter((row) => row.form !== '').flatMap((row) => row.words),
];

const timing = memoized(timingOf);
const PERIOD = '(?:days?|d|weeks?|wks?|w|months?|mos?|years?|yrs?|yr|hours?|hrs?|h|minutes?|mins?)';
const COURSE = '(?:courses?|treatments?|cycles?)';
const SEVERAL = '(?:several|a few|many|a couple of|few)';

const QUANTITY = '(?:\\d+(?:\\.\\d+)?|one|two|three|four|five|six|ten)';

/** What pharmacies write and no one takes: quantities to dispense, refills, supplies, maximum doses. */
const NOISE = new RegExp(
  [
    `#\\s?\\d+`,
    // "with 900 cc UOP": what came out.
    `\\b\\d[\\d,.]*\\s?(?:cc|ml|l|liters?|litres?)\\s(?:of\\s)?(?:uop|urine|output|ebl|blood loss|drainage|ascites|fluid (?:removed|drained))\\b`,
    // "(was 20 mg daily)": what is taken no more.
    `\\([^()\\n]{0,12}\\b(?:was|previously|formerly|prev|(?:up|down|increased|decreased|reduced|changed) from)\\b[^()\\n]{1,40}\\)`,
    `\\b(?:disp(?:ense|ensed)?|qty|quantity)\\s?[:.#]?\\s?${QUANTITY}(?:\\s?(?:tablets?|tabs?|caps?|capsules?|ml|pills?))?`,
    `\\b${QUANTITY}\\s?(?:(?:days?|months?)['’]?\\s?supply|ds)\\b`,
    `\\b(?:refills?|rf|ref)\\s?[:#x]?\\s?(?:${QUANTITY}|none|prn)`,
    `\\b(?:${QUANTITY}|no)\\s?refills?\\b`,
    `\\b(?:mdd|max(?:imum)?(?:\\sof)?(?:\\sdaily)?(?:\\sdose)?|not\\sto\\sexceed|do\\snot\\s(?:take\\smore\\sthan|exceed))\\s?[:=]?\\s?${QUANTITY}\\s?(?:mg|g|grams?|milligrams?|tabs?|tablets?|capsules?|caps?|pills?|doses?|puffs?)?(?:\\s?(?:\\/|per|a|in(?:\\sa)?|every)\\s?(?:24\\s?(?:hours?|hrs?|h)|day|week))?`,
  ].join('|'),
  'g',
);

const MEASURED_RE = new RegExp(MEASURED, 'g');
const COUNTED_RE = new RegExp(COUNTED, 'g');
const ROUTE_RE = new RegExp(`(?<![a-z0-9])(?:${alternatives([...routeCode.keys()])})(?![a-z0-9])`, 'g');
const FORM_RE = new RegExp(`(?<![a-z0-9])(?:${alternatives(formWords)})(?![a-z0-9])`, 'g');
const DOSE_WORDS_RE =
  /(?<![a-z])(?:(?:very |extremely |single |ultra-?)?(?:high|low|moderate|standard|full|lower|higher|reduced|small|large|therapeutic|prophylactic|maintenance|loading|intermediate|escalating|increasing|decreasing|cumulative|maximal|maximum|minimal|conventional|normal|usual|regular|standard|toxic|stable|test|stress|single|double|multiple|massive|excessive|adjusted|different|recommended|low or moderate|supratherapeutic)['’]?[- ](?:low[- ]|high[- ]|cumulative |test |oral |intravenous )*(?:doses?|dosages?)|(?:large|excessive|massive|small) (?:amounts?|quantit(?:y|ies))(?= of)|auc(?: of)? ?\d(?:\.\d+)?|overdos(?:e|es|age)|sliding scale)(?![a-z])/g;
/** "Multiple doses of 600 mg": the amount says it. */
const AMOUNT_NEXT = /^\sof\s(?:(?:less|more|greater)\sthan\s|up\sto\s|about\s|approximately\s)?\d/;
const DURATION_RES = [
  new RegExp(
    `(?<![a-z0-9.])(?:for|over|during|x|times|of|lasting|continued|received|with)\\s?(?:(?:the|a|next|past|last|first|following|total|of|period|duration|approximately|about|almost|nearly|at|least|more|than|another|up|to|over|additional|preceding|previous|entire)\\s){0,4}(${PLAIN_RANGE}(?:\\sand\\sa\\shalf)?\\s?-?\\s?(?:more\\s)?(?:${PERIOD}|${COURSE})|(?:${SEVERAL}|an?|another)\\s${PERIOD})(?![a-z]|\\/)`,
    'g',
  ),
  new RegExp(
    `(?<![a-z0-9.])(${PLAIN_RANGE}\\s?-?\\s?(?:${PERIOD}|${COURSE}))(?:['’]?\\s?(?:course|history|period|trial|regimen|duration|treatment|therapy)(?![a-z])|\\s(?:of|on|after\\s(?:starting|initiation))(?=\\s))`,
    'g',
  ),
  // British: "tds 7/7" is seven days, "for 2/52" two weeks, "3/12" three months.
  /(?<![a-z])(?:for|x|[bo]d|tds|qds|qid|bid|tid|prn|daily|mane|nocte)[\s,]{1,2}(\d{1,2}\/(?:7|52|12))(?![\d/])/g,
  /[a-z]x\s?(\d+\s?(?:days?|d|weeks?|wks?|months?|doses?))(?![a-z])/g,
  /(?<![a-z])(long[- ]term|short[- ]term|prolonged|chronic(?:ally)?|lifelong|life-long|indefinitely|short course|long course)(?![a-z])/g,
];
/** Release letters right after a name: "metformin ER 500 mg". */
const AFTER_DRUG = /^[\s-]{0,2}(er|xr|sr|xl|cr|la|dr|ec|mr|odt)?(?![a-z])/;
/** A number right after a name, where directions or nothing follow: "ASA 81 daily", "Norco 5/325 1 tab". */
const BARE_STRENGTH =
  /^[\s-]{1,2}(\d+(?:\.\d+)?(?:[/-]\d{3}(?![\d.])|\/\d+(?:\.\d+)?)?)(?=\s*(?:$|,(?!\d)|[;)\n]|\.(?!\d)|\/[a-z]|\s?[(+&]|x\s?\d|(?:po|daily|weekly|monthly|nightly|hs|od|om|on(?=\s*[,.;\n]|\s*$)|bid|tid|qid|qd|qhs|qam|qpm|once|twice|one|two|three|every|each|at|in|tab|tabs|tablet|tablets|cap|caps|capsule|\d{1,2}\s?(?:tab|cap|pill)|prn|[bo]d|tds|qds|nocte|mane|as|by|q\s?\d{1,2}(?:\s?-\s?\d{1,2})?\s?h?)(?![a-z])))/;
const FEW = 4;
const COUNTED_NEXT = /^\s?(?:tab|cap|pill|puff|spray|drop|patch|sachet)/;

/** "Malarone 1 tab" counts tablets, "switched from Atripla 2020" says when. */
function isCountOrYear(number: string, after: string): boolean {
  return (Number(number) <= FEW && COUNTED_NEXT.test(after)) || /^(?:19|20)\d\d$/.test(number);
}

/** "Eliquis 3/14" is rather since when it is taken: no strength where month and day may be meant, in either order. */
function isDay(pair: string): boolean {
  const [, first, second] = /^(\d+)\/(\d{1,2})$/.exec(pair) ?? [];
  if (first === undefined || second === undefined) return false;
  return (Number(first) <= 12 && Number(second) <= 31) || (Number(first) <= 31 && Number(second) <= 12);
}

const ELAPSED =
  /\b(?:after|within|following|until|by|at|since)\s(?:(?:about|only|approximately|a|an|the|first|nearly|almost|over|more|than|total|of|just|some|another|initial)\s)*$/;
/** "8 months of follow-up", "persisted for 10 hours": how long something else lasted. */
const OF_ANOTHER =
  /^\s?(?:of (?:follow|observation|age|life|gestation|illness|symptoms|fever|pain|cough|headache|vomiting|diarrhea|remission|survival)|follow|history of|after (?:birth|delivery|surgery|transplant))/;
const DISEASE_OF_DRUG =
  /^(?:[\s-](?:induced|related|associated)|\s(?:apno?ea|toxicity|poisoning|intoxication|overdose|withdrawal|dependence|resistance|levels?))/i;
const LASTING = /^(?:long|short|prolonged|chronic|life)/i;
/** "At the age of 5 years". */
const AGE = /\baged?\s(?:of\s)?$/;
const BEFORE_ANOTHER =
  /\b(?:persist(?:ed|ing|s)?|lasted|apparent|alive|survived|remained (?:well|stable|asymptomatic)|asymptomatic|age of|aged|followed(?: up)?|follow-up|hospitali[sz]ed|monitored|symptoms|suffer(?:ed|ing)|available|recovered|resolved|held|withheld|stopped|discontinued|paused|interrupted|consciousness|unconscious)\s(?:for|over|of|at|period of|during)\s(?:\w+\s){0,2}$/;

/** "LFTs checked every 6 weeks": how often something else is done. */
const CHECKED =
  /\b(?:monitor(?:ed|ing)?|follow(?:ed)?[- ]up|check(?:ed|ing)?|measur(?:ed|ing|ements?)|test(?:ed|ing)|screen(?:ed|ing)|seen|examin(?:ed|ations?)|evaluat(?:ed|ions?)|assess(?:ed|ments?)|visits?|lfts?|cbc|inr|labs)\s(?:(?:be|at|least|about|repeated|approximately)\s)*$/;

const BARE_DURATION_RE = new RegExp(
  `^\\s*,?\\s*(?:x\\s?)?(${PLAIN_RANGE}\\s?(?:days?|weeks?|wks?|months?|d))(?![a-z])`,
);
const PRN_RE =
  /(?<![a-z])(?:as[- ]needed|as required|prns?|p\.r\.n\.?|if needed|when needed|as necessary)(?![a-z])|prn(?=as needed)/g;
const PRN_REASON_RE =
  /^[\s,:(]*(?:as needed\s)?(?:(?:for|of|with|to (?:treat|help with|relieve))\s+|if\s+)?([a-z][a-z'/ -]{2,60}?)(?=\s*(?:[.,;:()\n\d]|$|\bmdd\b|\bmax\b|\bx\b|\bfor\b|\bor\b(?= as)|\btake\b|\bdo not\b|\bplease\b|\b(?:disp|refills?|qty)\b))/i;

/**
 * Everything in `text[start, end)` that may belong to a medication, in order of place, not overlapping except
 * that a dose holds its form ("1 tablet"). Dispensing noise is left out.
 */
export function scanSignature(
  text: string,
  start: number,
  end: number,
  drugs: readonly { start: number; end: number }[] = [],
): Found[] {
  const touchesDrug = (at: number): boolean =>
    drugs.some(
      (drug) =>
        drug.start >= at &&
        drug.start - at < 30 &&
        /^[\s(-]*(?:(?:of|the|a|use|dose|doses|therapy|treatment|with|and|administration|injections?|infusions?|daily|weekly|once|twice|(?:high|low|single|standard)[- ]dose|[a-z]+-(?:release|acting)|recombinant|human|pegylated|liposomal|unfractionated|low-molecular-weight)[\s(-]*)*$/i.test(
          text.slice(at, drug.start),
        ),
    );
  // "Prolonged suxamethonium apnoea" is no prolonged use.
  const ofDisease = (at: number): boolean => {
    const drug = drugs.find(({ start: from }) => from >= at);
    return drug !== undefined && DISEASE_OF_DRUG.test(text.slice(drug.end, drug.end + 24));
  };
  const first = drugs.reduce((least, drug) => Math.min(least, drug.start - start), Number.POSITIVE_INFINITY);
  let region = blankAsides(blankNoise(lowerCase(text.slice(start, end))), first);
  const found: Found[] = [];
  const add = (
    type: AttributeType,
    from: number,
    to: number,
    normalized: string | undefined,
    measured?: boolean,
  ): void => {
    found.push({
      type,
      start: start + from,
      end: start + to,
      text: text.slice(start + from, start + to),
      ...(normalized === undefined ? {} : { normalized }),
      ...(measured ? { measured } : {}),
    });
  };
  const taken: [number, number][] = [];
  const free = (from: number, to: number): boolean => taken.every(([a, b]) => to <= a || from >= b);
  const each = (
    pattern: RegExp,
    group: number,
    visit: (match: RegExpExecArray, from: number, to: number) => boolean,
  ): void => {
    // Not matchAll: it copies the expression at every call.
    pattern.lastIndex = 0;
    for (let match = pattern.exec(region); match; match = pattern.exec(region)) {
      if (match[0] === '') pattern.lastIndex++;
      const words = match[group];
      if (words === undefined || words.trim() === '') continue;
      const from = match.index! + match[0].lastIndexOf(words);
      const to = from + words.length;
      if (free(from, to) && visit(match, from, to)) taken.push([from, to]);
    }
  };
  each(PRN_RE, 0, (match, from, to) => {
    add('prn', from, to, 'true');
    const reason = PRN_REASON_RE.exec(region.slice(to));
    if (reason && reason[1] !== undefined && !NOT_A_REASON.test(reason[1])) {
      const at = to + reason[0].lastIndexOf(reason[1]);
      add('reason', at, at + reason[1].trimEnd().length, undefined);
      taken.push([at, at + reason[1].length]);
    }
    return match[0].length > 0;
  });
  const names = drugs.map((drug) => drug.end - start);
  for (const drug of drugs) {
    if (drug.end < start || drug.end >= end) continue;
    const after = AFTER_DRUG.exec(region.slice(drug.end - start));
    if (!after) continue;
    let at = drug.end - start;
    if (after[1] !== undefined) {
      const from = at + after[0].indexOf(after[1]);
      add('form', from, from + after[1].length, undefined);
      taken.push([from, from + after[1].length]);
      at = from + after[1].length;
    }
    const bare = BARE_STRENGTH.exec(region.slice(at));
    if (!bare || isCountOrYear(bare[1]!, region.slice(at + bare[0].length)) || isDay(bare[1]!)) continue;
    const from = at + bare[0].indexOf(bare[1]!);
    const to = from + bare[1]!.length;
    if (!free(from, to)) continue;
    names.push(to);
    // "Norco 5/325" is in milligrams by custom; "ASA 81" and "Symbicort 160/4.5" do not say.
    const pair = /^(\d+(?:\.\d+)?)[/-](\d{3})$/.exec(bare[1]!);
    add('strength', from, to, pair ? `${Number(pair[1])} mg / ${Number(pair[2])} mg` : undefined);
    taken.push([from, to]);
    // Else "lisinopril 10 daily" is ten times a day.
    region = `${region.slice(0, from)}${' '.repeat(to - from)}${region.slice(to)}`;
  }
  for (const pattern of DURATION_RES) {
    each(pattern, 1, (match, from, to) => {
      const words = region.slice(from, to);
      // "On aspirin, p/w 2 d of cough" is how long the cough has been.
      if (
        /(?:p\/|presents? |presented |presenting |here )with?\s*$|p\/w\s*$/.test(
          region.slice(Math.max(0, from - 16), from),
        )
      )
        return false;
      // "three times a day"
      if (/^times\s+an?\b/.test(match[0])) return false;
      // "After 3 months of treatment" says when something happened, not how long the drug is taken.
      if (ELAPSED.test(region.slice(Math.max(0, from - 40), from)) && !LASTING.test(words)) return false;
      if (
        OF_ANOTHER.test(region.slice(to)) ||
        BEFORE_ANOTHER.test(region.slice(Math.max(0, from - 40), from))
      )
        return false;
      if (/^-?\s?old\b/i.test(region.slice(to)) || AGE.test(region.slice(Math.max(0, from - 12), from)))
        return false;
      if (
        /^(?:chronic|chronically|prolonged)/i.test(words) &&
        !/^\s(?:\w+[\s/-]){0,3}(?:use|usage|user|users|therapy|treatment|administration|ingestion|exposure|intake|abuse|course|oral|intravenous|dosing|infusion|steroid|steroids|medication)\b/i.test(
          region.slice(to),
        ) &&
        (!touchesDrug(start + to) || ofDisease(start + to))
      )
        return false;
      // "every 4 hours" and "in 24 hours" are no durations; an amount per day is none either.
      if (/(?:every|each|q|\/)\s?$/i.test(region.slice(Math.max(0, from - 6), from))) return false;
      if (
        /^\s?(?:before|after|prior|later|ago|earlier|old)\b/i.test(region.slice(to)) &&
        !/\b(?:for|x)\s?$/i.test(region.slice(Math.max(0, from - 8), from))
      )
        return false;
      add('duration', from, to, durationOf(words));
      return true;
    });
  }
  for (const { start: from, end: to } of findFrequencies(region, names)) {
    const words = withoutStop(trimEnd(region.slice(from, to)));
    if (!free(from, from + words.length)) continue;
    if (/^on\sdays?\s\d+$/i.test(words)) continue;
    if (CHECKED.test(region.slice(Math.max(0, from - 40), from))) continue;
    if (
      /^(?:continuous|continuously|intermittent|intermittently|single)$/i.test(words) &&
      !/^\s(?:\w+[\s-]){0,2}(?:infusion|infusions|i\.?v|intravenous|oral|dose|dosing|administration|treatment|therapy)\b/i.test(
        region.slice(from + words.length),
      ) &&
      !touchesDrug(start + from + words.length)
    )
      continue;
    if (
      /^once$/i.test(words) &&
      /^\s(?:the|he|she|it|they|a|patient|daily dose|again|more|you|(?:[a-z-]+\s){1,2}(?:was|were|is|are|has|had))\b/i.test(
        region.slice(to),
      )
    )
      continue;
    // "A single dose of ivermectin" is how much was given; "10 mg single dose" how often.
    if (
      words === 'single' &&
      /^[- ](?:(?:low|high|large|small|test|loading|oral|intravenous|iv)[- ])+doses?\b/.test(
        region.slice(from + 6),
      )
    )
      continue;
    if (
      /^(?:one[- ])?single[- ]dose$/.test(words) &&
      /^\s(?:of\b|\()/.test(region.slice(from + words.length))
    ) {
      add('dose', from, from + words.length, '1 {dose}');
      taken.push([from, from + words.length]);
      continue;
    }
    add('frequency', from, from + words.length, timing(words));
    const bare = BARE_DURATION_RE.exec(region.slice(from + words.length));
    if (
      bare &&
      free(from + words.length, from + words.length + bare[0].length) &&
      !/supply/i.test(
        region.slice(from + words.length + bare[0].length, from + words.length + bare[0].length + 9),
      )
    ) {
      const at = from + words.length + bare[0].length - bare[1]!.length;
      add('duration', at, at + bare[1]!.length, durationOf(bare[1]!));
      taken.push([at, at + bare[1]!.length]);
    }
    taken.push([from, from + words.length]);
  }
  MEASURED_RE.lastIndex = 0;
  for (let match = MEASURED_RE.exec(region); match; match = MEASURED_RE.exec(region)) {
    const from = match.index;
    // "81 mg per day": the rhythm has been read already, the amount before it stands.
    let to = from + match[0].length;
    for (const [a, b] of taken) if (a > from && a < to && b >= to) to = a;
    const words = trimEnd(region.slice(from, to));
    if (!free(from, from + words.length) || !/[^\d\s.,]/.test(words)) continue;
    if (
      isNoDose(
        words,
        region.slice(Math.max(0, from - 24), from),
        region.slice(from + words.length, from + words.length + 40),
      )
    )
      continue;
    add('dose', from, from + words.length, measuredText(words), true);
    taken.push([from, from + words.length]);
  }
  each(COUNTED_RE, 0, (match, from, to) => {
    if (/^\d{3,}\s?-?\s?doses?$/i.test(match[0])) return false;
    add('dose', from, to, countedText(match[0]));
    const form = FORM_AT_END.exec(match[0]);
    if (form) add('form', from + form.index, to, undefined);
    return true;
  });
  each(DOSE_WORDS_RE, 0, (_match, from, to) => {
    if (AMOUNT_NEXT.test(region.slice(to))) return false;
    add('dose', from, to, undefined);
    return true;
  });
  each(FORM_RE, 0, (match, from, to) => {
    if (
      /^(?:injection|injections|liquid|drops?|vial|vials|inhalation|inhalations|dose|powder|film|ring|strip|strips|pens?|shots?)$/i.test(
        match[0],
      )
    )
      return false;
    add('form', from, to, undefined);
    return true;
  });
  each(ROUTE_RE, 0, (match, from, to) => {
    if (/^(?:infusion|injection)$/.test(match[0]) && NO_ROUTE_AFTER.test(region.slice(to))) return false;
    // "oral ulcers" and "rectal bleeding" are findings, "oral metformin" is a route.
    if (
      ADJECTIVE_ROUTE.test(match[0]) &&
      !drugs.some((drug) => start + from >= drug.start && start + to < drug.end) &&
      !touchesDrug(start + to) &&
      (match[0] === 'ocular' ||
        (!/^\s?(?:[),;.]|$)/.test(region.slice(to)) &&
          !AFTER_ROUTE.test(region.slice(to)) &&
          !found.some((other) => other.end <= start + from && start + from - other.end < 3)))
    )
      return false;
    const code = routeCode.get(match[0].toLowerCase().replace(/\s+/g, ' '));
    if (/^(?:im|sc|iv|pr|sl|ou|pv|po)$/i.test(match[0]) && /['’]/.test(region[to] ?? '')) return false;
    add('route', from, to, code);
    return true;
  });
  return joinRoutes(
    text,
    found.sort((a, b) => a.start - b.start || b.end - a.end),
  );
}

const GIVING = /^(?:injections?|infusions?|ingestion|instillation|irrigation|infiltration|intake)$/i;

/** "Intralesional injections", "sublingual ingestion": one way of giving, of which the first word says more. */
function joinRoutes(text: string, found: readonly Found[]): Found[] {
  const joined: Found[] = [];
  for (const each of found) {
    const last = joined.at(-1);
    if (
      last?.type === 'route' &&
      each.type === 'route' &&
      GIVING.test(each.text) &&
      !GIVING.test(last.text) &&
      /^\s(?:artery\s|vein\s|bolus\s)?$/i.test(text.slice(last.end, each.start))
    )
      joined[joined.length - 1] = { ...last, end: each.end, text: text.slice(last.start, each.end) };
    else joined.push(each);
  }
  return joined;
}

const ADJECTIVE_ROUTE =
  /^(?:oral|nasal|rectal|vaginal|ophthalmic|otic|buccal|epidural|systemic|sublingual|topical|intravenous|subcutaneous|right eye|left eye|right ear|left ear|pr|im|sc|pv|po|ou|sl|neb|nebs|inhaled|inhalation|cutaneous|irrigation|intake|drip|infiltration|ocular|intra-?(?!uterine)[a-z]+(?<!ly))$/i;
/** "Injection site", "infusion reaction": nothing is said of how it was given. */
const NO_ROUTE_AFTER = /^\s(?:sites?|reactions?|rates?|cent(?:er|re)s?)\b/;
const AFTER_ROUTE =
  /^[\s-]?(?:administration|administrations|chemotherapy|instillation|therapy|treatment|dose|doses|dosing|route|form|formulation|preparation|medication|medications|infusion|infusions|injection|injections|bolus|push|tablets?|capsules?|solution|suspension|daily|twice|once|three|every|q\d|q|bid|tid|qid|prn|as needed|for|at|x|and|or|with|in|on|over|steroids?|corticosteroids?|antibiotics?|application|intake|use|loading|challenge|load|ingestion|exposure|drops?|spray|cream|gel|ointment|\d|per|up|until|each|then|to|given|administered|nightly|weekly|monthly|stat|now|prior|before|after|of)\b/i;

/** Percentages of patients, laboratory values and fluids that came out are no doses. */
function isNoDose(words: string, before: string, after: string): boolean {
  if (/%|percent/i.test(words))
    return (
      /(?:\b(?:in|to|of|by|than|about|was|were|with|to|and|from|CI,?|vs\.?|or|only|least|as many as|approximately)\s?|[(<>=]\s?)$/i.test(
        before,
      ) ||
      /^\s?(?:of|for|to|in|CI|vs|confidence|had|were|was|improvement|reduction|increase|decrease|risk|survival|response)\b/i.test(
        after,
      )
    );
  // "Reference value: 24-66 ng/mL", "MIC > 32 mg/liter", "FEV1 increased to 1.65 L" are results too.
  if (
    /\b(?:ng|pg)\s?\/\s?ml$/i.test(words) ||
    /\b(?:clearances?|MIC|FEV1|reference|(?:normal|reference) range|values?|creatinine)\b[^.;]{0,24}$/i.test(
      before,
    ) ||
    (/\brange\b[^.;]{0,24}$/i.test(before) && /\/\s?(?:d?l|ml)\b/i.test(words))
  )
    return true;
  // A weight; `3 mg/kg` is a dose.
  if (/^[\d.,\s–-]+kgs?$/i.test(words)) return true;
  // "0.93 μg/dL" and "468 μg (normal range: 23-105)" are results.
  if (/^\s?\(?(?:normal|reference|ref\.?)\b/i.test(after) || /^\s?\/\s?(?:dl|liter|litre|mm3)\b/i.test(after))
    return true;
  if (/\/\s?(?:l|dl|ul|mm3)$/i.test(words.replace(/\s+/g, '')) && !/\/ml$/i.test(words)) return true;
  if (/^\s?of\s(?:\w+\s)?(?:blood|urine|fluid|bile|pus|ascites|effusion|stool|serum)\b/i.test(after))
    return true;
  return (
    /\b(?:weigh(?:s|ed|ing|t)|levels?|concentrations?|size|measuring|calcium|glucose|creatinine|urea|bilirubin|sodium|potassium|hemoglobin|protein)(?:\s(?:of|was|is|were|to|=|:))?\s?$/i.test(
      before,
    ) && !/potassium$|sodium$|calcium$|protein$/i.test(before.trim())
  );
}

const NOT_A_REASON =
  /^(?:and|or|as|at|by|do|every|if|in|may|no|of|on|per|po|qhs|the|to|up to|daily|needed|with food|bid|tid|qid|directed|shower|take|use|mouth|a|an|this|days?|weeks?)\b/i;
const FORM_AT_END = new RegExp(
  `(?<![a-z])(?:${alternatives(medicationRules.doseForms.filter((row) => row.form !== '' && row.form !== 'liquid').flatMap((row) => row.words))})$`,
  'i',
);

/** "BID." ends its sentence, "b.i.d." does not. */
function withoutStop(words: string): string {
  return words.endsWith('.') && !/[a-z]\.\s?[a-z]\.?$/.test(words) ? words.slice(0, -1) : words;
}

function trimEnd(words: string): string {
  return words.replace(/[\s,]+(?:and)?\s*$/, '');
}

/** Lower case of the same length, so that offsets stay. */
function lowerCase(text: string): string {
  const lower = text.toLowerCase();
  if (lower.length === text.length) return lower;
  return Array.from({ length: text.length }, (_, at) => {
    const letter = text[at]!.toLowerCase();
    return letter.length === 1 ? letter : text[at]!;
  }).join('');
}

function blankNoise(region: string): string {
  return region.replace(NOISE, (match) => ' '.repeat(match.length));
}

/** "2 g (30 mg/kg) of acetaminophen". */
const AMOUNT_ASIDE = /\d\s?(?:mg|mcg|g|units?|iu)\b/;
const ASIDE = /\([^()\n]*\)/g;

/** Without what is bracketed before any drug is named: "HFrEF (EF 25%), on insulin". */
function blankAsides(region: string, firstDrug: number): string {
  return region.replace(ASIDE, (aside, at: number) =>
    at + aside.length <= firstDrug &&
    firstDrug !== Number.POSITIVE_INFINITY &&
    !(/^\sof\b/.test(region.slice(at + aside.length, at + aside.length + 4)) && AMOUNT_ASIDE.test(aside))
      ? ' '.repeat(aside.length)
      : aside,
  );
}

const DURATION_UNIT: Readonly<Record<string, string>> = { d: 'd', w: 'wk', m: 'mo', y: 'a', h: 'h' };

/** `7 d`, `2-3 wk`; undefined for courses and for words without a number. */
export function durationOf(words: string): string | undefined {
  const text = words
    .toLowerCase()
    .replace(/\s+/g, ' ')
    .replace(/^an? (?=day|week|month|year|hour)/, '1 ');
  const part = /^(\d{1,2})\/(7|52|12)$/.exec(text);
  if (part) return `${Number(part[1])} ${part[2] === '7' ? 'd' : part[2] === '52' ? 'wk' : 'mo'}`;
  const match = new RegExp(`^(.*?)\\s?-?\\s?(?:more )?(${PERIOD})$`).exec(text);
  if (!match) return undefined;
  const range = rangeOf(match[1]!.replace(/ ?and a half/, ''));
  if (!range) return undefined;
  if (/and a half/.test(text)) {
    range.low += 0.5;
    range.high += 0.5;
  }
  const unit = match[2]!.startsWith('min') ? 'min' : DURATION_UNIT[match[2]![0]!];
  return unit === undefined ? undefined : `${rangeText(range)} ${unit}`;
}
