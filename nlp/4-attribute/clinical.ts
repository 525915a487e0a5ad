import type { Attribute, AttributeType, Mention } from '../model.js';
import { readRules } from '../rules/load.js';
import { alternatives } from './quantity.js';

interface CodedRow {
  readonly words: readonly string[];
  readonly code?: string;
  readonly example: string;
}

export interface ClinicalRules {
  readonly laterality: readonly CodedRow[];
  readonly severity: readonly CodedRow[];
  readonly acuity: readonly CodedRow[];
  readonly bodySites: readonly string[];
  readonly relatives: readonly CodedRow[];
  readonly reactions: readonly string[];
}

export const clinicalRules = readRules<ClinicalRules>('attributes-clinical.json');

function finder(rows: readonly CodedRow[]): { pattern: RegExp; codes: Map<string, string | undefined> } {
  const codes = new Map<string, string | undefined>();
  for (const row of rows) for (const word of row.words) codes.set(word, row.code);
  return { pattern: new RegExp(`(?<![a-z])(?:${alternatives([...codes.keys()])})(?![a-z])`, 'gi'), codes };
}

const laterality = finder(clinicalRules.laterality);
const severity = finder(clinicalRules.severity);
const acuity = finder(clinicalRules.acuity);
const relatives = finder(clinicalRules.relatives);
const SITE = new RegExp(`(?<![a-z])(?:${alternatives(clinicalRules.bodySites)})(?![a-z])`, 'gi');
const REACTION = new RegExp(`(?<![a-z])(?:${alternatives(clinicalRules.reactions)})(?![a-z])`, 'gi');

/** All matches. Not `matchAll`, which copies the expression at every call. */
function matches(pattern: RegExp, text: string): RegExpExecArray[] {
  const result: RegExpExecArray[] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) result.push(match);
  return result;
}

const LEAD_WORDS = 4;
const LEAD_CHARACTERS = 50;

/** Where the words before a finding begin that may qualify it: up to four on the line, no punctuation between. */
function leadStart(text: string, from: number, start: number): number {
  let at = start;
  let begin = start;
  for (let words = 0; words < LEAD_WORDS; words++) {
    while (at > from && text[at - 1] === ' ') at--;
    if (at === begin || start - at > LEAD_CHARACTERS) break;
    let word = at;
    while (word > from && isWordCharacter(text.charCodeAt(word - 1))) word--;
    if (word === at) break;
    at = word;
    begin = word;
  }
  return begin;
}

function isWordCharacter(code: number): boolean {
  return (
    (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || (code >= 48 && code <= 57) || code === 45
  );
}

/** Words after a finding that place it: "of the left knee", "in both legs", ", right". */
const TRAIL =
  /^(?:[ ]*,?[ ]*\(?(?:of|in|on|at|to|over|involving|affecting|radiating to)[ ]+(?:the |his |her |both |a )?(?:[a-z-]+[ ]?){0,4}|[ \t]*[,(]?[ ]*(?:left|right|bilateral|bilaterally|bilat|both|b\/l)\b[a-z ]{0,20}|[ ]+bilaterally)/i;

const SIDE_BEFORE =
  /(?<![\p{L}\d./+-])\(?([RL])\)?[ ](?:[a-z]+[ ]|[A-Z]{2,4}[ ]|\d{1,2}(?:-\d{1,2}|th|st|nd|rd)?[ ])?$/u;
const SIDE_AFTER =
  /^[ ,]{0,2}(?:\(([RL])\)|(O[DSU])(?![\p{L}\d]|[ ](?:[x×]\s?\d|on|of|with|in|at|attempt|\d{4}\b))|([RL])(?=[ ](?:w\/|with|for|on|under|plantar|dorsal|medial|lateral|lower|upper|great|hallux|heel|thigh|calf|eye|ear|knee|hip|shoulder|wrist|ankle|foot|hand|elbow|arm|leg|breast|lung|kidney|side|groin|thumb|neck|deltoid|temple|cheek|forehead|scalp|jaw|brow|eyelid|nostril|axilla|chest|flank|buttock|forearm|shin|finger|toe)|[ ](?:\(|[x×]\d|mild|moderate|mod\b|severe|\d{1,2}[/.]\d{1,2}[/.]\d|\d{1,2}\/(?:7|52|12)\b|(?:19|20)\d\d\b|\d{1,2}(?:\.\d)?[ ]?[cm]m\b)|[ ]*(?:[,.;:)\n\t]|$)))/u;
const LONE_BEFORE = /[RL]\)? (?:[A-Za-z\d-]+ )?$/;
const LONE_AFTER = /^[ ,]{1,2}[(RLO]/;
/** "OA L knee", "R arm weakness" as one name. */
const SIDE_WITHIN = /(?:^|[\s#])([RL])(?=\s[A-Za-z]|$)/;
const SIDE_REACH = 24;
const SIDE_OF_LETTER: Readonly<Record<string, string>> = {
  R: 'right',
  L: 'left',
  OD: 'right',
  OS: 'left',
  OU: 'both',
};

/** "Hydronephrosis, mild.", "AS (moderate)", "eczema mild R hand": said behind the finding, and of nothing that follows. */
const SEVERITY_AFTER =
  /^[ ]?[,(–-]?[ ]?(?:(?:[RL]|OD|OS|OU)[ ])?(mild|moderate|mod|severe|slight|minimal|marked)(?![a-z-])(?=[ ]*(?:[.,;:)\n]|$|(?:in|on|of|with|since|at|and stable|but)[ ]|(?:[RL]|OD|OS|OU|left|right|bilateral)\b))(?![ ]*to[ ])/i;

/** `R ear pain`, `L pneumothorax`, `TKR (L)`: a side by its letter, in capitals. */
function sideLetter(text: string, mention: Mention, from: number, to: number): Attribute | undefined {
  const lead = text.slice(Math.max(from, mention.start - SIDE_REACH), mention.start);
  // Most mentions have no lone letter beside them: a look before the expressions.
  const before = LONE_BEFORE.test(lead) ? SIDE_BEFORE.exec(lead) : null;
  const after =
    before || !LONE_AFTER.test(text.slice(mention.end, mention.end + 4))
      ? null
      : SIDE_AFTER.exec(text.slice(mention.end, Math.min(to, mention.end + SIDE_REACH)));
  // "ACDF, R CEA": the side of what comes next.
  if (after && after[3] !== undefined && after[0].includes(',')) {
    const behind = mention.end + after[0].length;
    if (behind < text.length && behind + 1 >= to && /^ ?[A-Za-z]/.test(text.slice(behind, to + 1)))
      return undefined;
  }
  const within = before || after ? null : SIDE_WITHIN.exec(mention.text);
  const letter = before?.[1] ?? after?.[1] ?? after?.[2] ?? after?.[3] ?? within?.[1];
  if (letter === undefined) return undefined;
  const start = within
    ? mention.start + within.index + within[0].indexOf(letter)
    : before
      ? mention.start - lead.length + before.index + before[0].indexOf(letter)
      : mention.end + after![0].indexOf(letter);
  const code = laterality.codes.get(SIDE_OF_LETTER[letter]!);
  return {
    type: 'laterality',
    text: letter,
    start,
    end: start + letter.length,
    ...(code ? { normalized: code } : {}),
  };
}

/** Side, severity, acuity and body site of a diagnosis, symptom, procedure or device, between its neighbours. */
export function qualifiersOf(text: string, mention: Mention, from: number, to: number): Attribute[] {
  const start = leadStart(text, from, mention.start);
  const trail = TRAIL.exec(text.slice(mention.end, Math.min(to, mention.end + 60)));
  const end = mention.end + (trail?.[0].length ?? 0);
  const result: Attribute[] = [];
  const add = (
    type: AttributeType,
    found: { pattern: RegExp; codes: Map<string, string | undefined> },
    a: number,
    b: number,
  ): void => {
    let best: { start: number; words: string } | undefined;
    for (const match of matches(found.pattern, text.slice(a, b)))
      best = { start: a + match.index, words: match[0] };
    if (!best) return;
    const code = found.codes.get(best.words.toLowerCase().replace(/\s+/g, ' '));
    result.push({
      type,
      text: best.words,
      start: best.start,
      end: best.start + best.words.length,
      ...(code ? { normalized: code } : {}),
    });
  };
  add('laterality', laterality, start, end);
  // "RT" itself is radiotherapy.
  if (result[0]?.start === mention.start && result[0].end === mention.end) result.length = 0;
  if (!result.some(({ type }) => type === 'laterality')) {
    const letter = sideLetter(text, mention, from, to);
    if (letter) result.push(letter);
  }
  if (mention.type === 'diagnosis' || mention.type === 'symptom') {
    add('severity', severity, start, mention.end);
    if (!result.some(({ type }) => type === 'severity')) {
      const after = SEVERITY_AFTER.exec(text.slice(mention.end, Math.min(to, mention.end + SIDE_REACH)));
      if (after) {
        const at = mention.end + after[0].indexOf(after[1]!);
        add('severity', severity, at, at + after[1]!.length);
      }
    }
    add('acuity', acuity, start, mention.end);
  }
  let site: Attribute | undefined;
  for (const match of matches(SITE, text.slice(start, end))) {
    site = {
      type: 'body-site',
      text: match[0],
      start: start + match.index,
      end: start + match.index + match[0].length,
    };
  }
  if (site) result.push(site);
  return result;
}

/** Who in the family a finding is said of: the nearest such word before it in the sentence, else after. */
export function relativeOf(text: string, mention: Mention, from: number, to: number): Attribute | undefined {
  const find = (a: number, b: number, lastOne: boolean): Attribute | undefined => {
    let found: Attribute | undefined;
    for (const match of matches(relatives.pattern, text.slice(a, b))) {
      const code = relatives.codes.get(match[0].toLowerCase().replace(/\s+/g, ' '));
      const next: Attribute = {
        type: 'relative',
        text: match[0],
        start: a + match.index,
        end: a + match.index + match[0].length,
        ...(code ? { normalized: code } : {}),
      };
      if (found && found.normalized !== 'FAMMEMB' && next.normalized === 'FAMMEMB') continue;
      found = next;
      if (!lastOne && next.normalized !== 'FAMMEMB') break;
    }
    return found;
  };
  const before = find(from, mention.start, true);
  if (before && before.normalized !== 'FAMMEMB') return before;
  const after = find(mention.end, to, false);
  return after && after.normalized !== 'FAMMEMB' ? after : (before ?? after);
}

/** What an allergen does to the patient, from the words between it and the next allergen. */
export function reactionsOf(text: string, mention: Mention, to: number): Attribute[] {
  const result: Attribute[] = [];
  for (const match of matches(REACTION, text.slice(mention.end, Math.min(to, mention.end + 120)))) {
    const start = mention.end + match.index;
    result.push({ type: 'reaction', text: match[0], start, end: start + match[0].length });
  }
  return result;
}
