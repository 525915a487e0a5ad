import { ByForm } from '../1-segment/forms.js';
import type { Token } from '../model.js';
import { type Clauses, VERBS } from './clauses.js';
import { doneIf, pastReaction } from './conditions.js';
import type { CueRow } from './cues.js';
import { BEGINNINGS } from './deeds.js';
import { ACTS, FINDINGS, type Target } from './target.js';

/** Meanings that no single cue has: of two words in a certain order, or of where in the sentence a word stands. */
export function applyConstructions(clauses: Clauses, targets: readonly Target[]): void {
  holdFor(clauses, targets);
  invertedIf(clauses, targets);
  comeBackFor(clauses, targets);
  ifThen(clauses, targets);
  doneIf(clauses, targets, IF_THEN);
  pastReaction(clauses, targets);
  switches(clauses, targets);
  consented(clauses, targets);
  thoughtOf(clauses, targets);
  takenUntil(clauses, targets);
  toFindOut(clauses, targets);
  opensWithFor(clauses, targets);
}

const THOUGHT_OF: CueRow = {
  effect: 'possible',
  scope: 'after',
  cues: ['differential'],
  example: 'Differential for syncope includes {arrhythmia}.',
};
const THOUGHTS = /^(?:differentials?|ddx|dx|considerations|possibilities|causes)$/;
const THOUGHTS_REACH = 12;
const INCLUDING = new ByForm(({ norm }) => (/^includ(?:e|es|ed|ing)$/.test(norm) ? 1 : 0));

/** `Differential for syncope includes arrhythmia, seizure`: what is included is thought of, what it is for is there. */
function thoughtOf({ tokens, first, last }: Clauses, targets: readonly Target[]): void {
  for (let at = first + 1; at < last; at++)
    if (INCLUDING.get(tokens[at]!) === 1) includedFrom(tokens, first, at, targets);
}

function includedFrom(tokens: readonly Token[], first: number, at: number, targets: readonly Target[]): void {
  let word = at - 1;
  while (word > first && at - word < THOUGHTS_REACH && !THOUGHTS.test(tokens[word]!.norm)) word--;
  if (!THOUGHTS.test(tokens[word]!.norm)) return;
  for (const target of targets) {
    if (!FINDINGS.has(target.type) || target.first <= word) continue;
    const distance = target.first - at;
    if (distance > 0) target.hits.push({ row: THOUGHT_OF, text: 'differential includes', distance });
    else drop(target, ({ row, cue }) => row.effect === 'possible' && cue !== undefined && cue.last > word);
  }
}

function drop({ hits }: Target, which: (hit: Target['hits'][number]) => boolean): void {
  for (let i = hits.length - 1; i >= 0; i--) if (which(hits[i]!)) hits.splice(i, 1);
}

const TAKEN_UNTIL: CueRow = {
  effect: 'past',
  scope: 'before',
  cues: ['until'],
  types: ['medication'],
  because: 'stopped',
  example: '{Methimazole} until 2021.',
};
const UNTIL_REACH = 8;
const MONTH = /^(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*$/;

/** `methimazole until 2021`, `until March 2021`: of a whole year one speaks when it is over. */
function takenUntil({ tokens, first, last }: Clauses, targets: readonly Target[]): void {
  for (let at = first + 1; at < last - 1; at++) {
    const { norm } = tokens[at]!;
    if (norm !== 'until' && norm !== 'till') continue;
    const year = MONTH.test(tokens[at + 1]!.norm) ? at + 2 : at + 1;
    if (year >= last || !/^(?:19|20)\d\d$/.test(tokens[year]!.norm)) continue;
    for (const target of targets) {
      const distance = at - target.last;
      if (target.type !== 'medication' || distance < 0 || distance > UNTIL_REACH) continue;
      if (tokens.slice(target.last, at).some((token) => token.norm === ';')) continue;
      target.hits.push({ row: TAKEN_UNTIL, text: 'until', distance });
    }
  }
}

const HOLD_FOR: CueRow = {
  effect: 'conditional',
  scope: 'after',
  cues: ['hold'],
  types: ['diagnosis', 'symptom'],
  example: '% metoprolol for {bradycardia}.',
};

/** `Hold metoprolol for bradycardia`: an order for when it happens; `held for` tells that it did. */
function holdFor({ cues, tokens }: Clauses, targets: readonly Target[]): void {
  for (const cue of cues) {
    if (cue.text !== 'hold') continue;
    const drug = targets.find(({ type, first }) => type === 'medication' && first >= cue.last);
    if (!drug) continue;
    for (const target of targets) {
      if (!HOLD_FOR.types!.includes(target.type) || target.first <= drug.last) continue;
      if (tokens[target.first - 1]!.norm === 'for')
        target.hits.push({ row: HOLD_FOR, text: 'hold for', distance: target.first - cue.last, cue });
    }
  }
}

const TO_FIND_OUT: CueRow = {
  effect: 'planned',
  scope: 'before',
  cues: ['to exclude'],
  types: ['procedure', 'test'],
  example: '{Brain MRI} to r/o mets.',
};
const FINDING_OUT =
  /^(?:r\/o|exclude|rule|look|assess|evaluate|eval|check|screen|confirm|stage|clarify|characteri[sz]e|investigate|establish|determine|see|quantify)$/;
const NOT_YET_MAX_TOKENS = 3;

/** `Brain MRI to r/o mets`, `ECG first to exclude heart block`: a test with its purpose and no verb is asked for. */
function toFindOut({ tokens, first, last }: Clauses, targets: readonly Target[]): void {
  for (const target of targets) {
    if (target.type !== 'procedure' && target.type !== 'test') continue;
    if (target.hits.some(({ row }) => row.effect === 'current' || row.effect === 'past')) continue;
    for (let i = target.last; i < Math.min(last - 1, target.last + NOT_YET_MAX_TOKENS); i++) {
      if (tokens[i]!.norm !== 'to') continue;
      if (FINDING_OUT.test(tokens[i + 1]!.norm) && !tellsOfIt(tokens, first, last))
        target.hits.push({ row: TO_FIND_OUT, text: 'to find out', distance: i - target.last });
      break;
    }
  }
}

function tellsOfIt(tokens: readonly Token[], first: number, last: number): boolean {
  for (let i = first; i < last; i++)
    if (VERBS.has(tokens[i]!.norm) || /^(?:neg|negative|normal|nad|done|performed)$/.test(tokens[i]!.norm))
      return true;
  return false;
}

/** `For elective R THR.`: what a sentence opens with has yet to be done. */
function opensWithFor({ tokens, first, last }: Clauses, targets: readonly Target[]): void {
  if (!/^(?:for|awaiting|awaits)$/.test(tokens[first]!.norm)) return;
  for (const target of targets) {
    if (target.type !== 'procedure' || target.first - first > FOR_REACH || tokens[target.last]?.norm === ',')
      continue;
    if (tokens.slice(target.last, last).some(({ norm }) => VERBS.has(norm))) continue;
    target.hits.push({ row: RETURN_FOR, text: 'for', distance: target.first - first });
  }
}

const FOR_REACH = 5;

/** `f/u 2 wks for staple removal`: what someone is to come back for. */
function comeBackFor({ tokens, first }: Clauses, targets: readonly Target[]): void {
  for (const target of targets) {
    if (target.type !== 'procedure' || tokens[target.first - 1]?.norm !== 'for') continue;
    for (let i = target.first - 2; i >= Math.max(first, target.first - RETURN_REACH); i--) {
      if (!RETURNS.has(tokens[i]!.norm)) continue;
      target.hits.push({ row: RETURN_FOR, text: 'return for', distance: target.first - i });
      break;
    }
  }
}

const RETURN_REACH = 9;
const RETURNS = new Set(['f/u', 'fu', 'followup', 'rtc', 'return', 'appt', 'appointment', 'u']);
const RETURN_FOR: CueRow = {
  effect: 'planned',
  scope: 'after',
  cues: ['return for'],
  example: 'Return in 2 weeks for {staple removal}.',
};

/** `Should the swelling spread, …`, `had she fallen, …`: the verb before its subject, and no question. */
function invertedIf({ tokens, first, last }: Clauses, targets: readonly Target[]): void {
  const opens = tokens[first]!.norm;
  const counter = opens === 'had' && /^(?:she|he|they|it|the)$/.test(tokens[first + 1]?.norm ?? '');
  if ((opens !== 'should' && !counter) || tokens[last - 1]!.norm === '?') return;
  for (const target of targets) {
    if (!HOLD_FOR.types!.includes(target.type)) continue;
    target.hits.push({ row: HOLD_FOR, text: opens, distance: target.first - first });
  }
}

const IF_THEN: CueRow = { ...HOLD_FOR, cues: ['if'], example: 'If EF is low then {ICD}.' };

/**
 * `If the echo shows a low EF then ICD`, `if margins are positive, mastectomy`: what is made of a condition; but
 * `until then`, and not what goes on anyhow (`if tolerated, increase metoprolol`).
 */
function ifThen({ cues, tokens, first }: Clauses, targets: readonly Target[]): void {
  const cue = cues.find(({ text }) => text === 'if' || text.startsWith('if '));
  if (!cue) return;
  for (const target of targets) {
    if (target.first <= cue.last || !ACTS.has(target.type)) continue;
    if (target.hits.some(({ row, text }) => row.effect === 'current' && !BEGINNINGS.test(text))) continue;
    for (let i = target.first - 1; i >= Math.max(first, target.first - THEN_REACH, cue.last); i--) {
      const { norm } = tokens[i]!;
      if (norm === ';') break;
      if (norm === ',' || DASH.test(norm) ? !startsCondition(tokens, cue.first, first) : norm !== 'then')
        continue;
      if (UNTIL.has(tokens[i - 1]!.norm)) break;
      target.hits.push({ row: IF_THEN, text: 'if then', distance: target.first - cue.last, cue });
      break;
    }
  }
}

const DASH = /^(?:[-–—>→]|->|=>)$/;
const UNTIL = new Set(['until', 'since', 'by', 'till', 'before']);

/** Whether `if` opens its sentence or clause: what comes before it is not made of it. */
function startsCondition(tokens: readonly Token[], at: number, first: number): boolean {
  return at === first || /^(?:[:,;–-]|and|but|\.)$/.test(tokens[at - 1]!.norm);
}

const THEN_REACH = 5;

const CHANGED_FROM: CueRow = {
  effect: 'past',
  scope: 'after',
  cues: ['switched'],
  because: 'stopped',
  example: 'Switched {Lexapro} -> Wellbutrin.',
};
const CHANGED_TO: CueRow = {
  effect: 'current',
  scope: 'after',
  cues: ['->'],
  example: 'Switched Lexapro -> {Wellbutrin}.',
};

/** `Switched Lexapro -> Wellbutrin`, `amlodipine caused oedema so changed to ramipril`: one ends, the other begins. */
function switches({ tokens }: Clauses, targets: readonly Target[]): void {
  const drugs = targets.filter(({ type }) => type === 'medication');
  for (let k = 1; k < drugs.length; k++) {
    const [from, to] = [drugs[k - 1]!, drugs[k]!];
    let verb = -1;
    let onto = -1;
    for (let i = Math.max(0, from.first - VERB_REACH); i < to.first; i++) {
      const { norm } = tokens[i]!;
      if (norm === ';' && i > from.first) break;
      if (SWITCHED.has(norm)) verb = i;
      if (i >= from.last && ONTO.test(norm) && to.first - i <= 2) onto = i;
    }
    // `Nafcillin -> cefazolin`
    if (onto >= 0 && verb < 0 && onto - from.last <= 1 && ARROW.test(tokens[onto]!.norm)) verb = onto;
    if (onto < 0 || verb < 0) continue;
    const cue = { first: verb, last: verb + 1, rows: [], text: tokens[verb]!.norm };
    from.hits.push({ row: CHANGED_FROM, text: cue.text, distance: 0, cue });
    for (let h = to.hits.length - 1; h >= 0; h--) if (to.hits[h]!.row.effect === 'past') to.hits.splice(h, 1);
    to.hits.push({ row: CHANGED_TO, text: `${cue.text} to`, distance: 0 });
  }
}

const ARROW = /^(?:>|→)$/;
const VERB_REACH = 3;
const SWITCHED = new Set([
  'switched',
  'changed',
  'transitioned',
  'converted',
  'swapped',
  'replaced',
  'rotated',
]);
const ONTO = /^(?:to|onto|>|→|with|by)$/;

const RISK_TOLD: CueRow = {
  effect: 'hypothetical',
  scope: 'after',
  cues: ['consent'],
  types: ['diagnosis', 'symptom'],
  example: 'Consent for IUD; discussed perforation and {infection}.',
};
const CONSENT = new ByForm(({ norm }) => (/^(?:consent|counsel)/.test(norm) ? 1 : 0));
const TELLING = new Set(['discussed', 'explained', 'reviewed', 'understands', 'understood', 'including']);

/** `Consent for IUD insertion; discussed perforation, infection`: what may go wrong. */
function consented({ tokens, first, last }: Clauses, targets: readonly Target[]): void {
  let told = -1;
  let consent = false;
  for (let i = first; i < last; i++) {
    const { norm } = tokens[i]!;
    if (CONSENT.get(tokens[i]!) === 1) consent = true;
    // `Counseled re biopsy: bleeding, sepsis`
    else if (consent && norm === ':') {
      told = i;
      break;
    } else if (consent && TELLING.has(norm)) {
      told = i;
      break;
    }
  }
  if (told < 0) return;
  for (const target of targets) {
    if (target.first > told && FINDINGS.has(target.type))
      target.hits.push({ row: RISK_TOLD, text: 'consent', distance: target.first - told });
  }
}
