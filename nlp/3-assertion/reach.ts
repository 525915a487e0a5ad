import type { Token } from '../model.js';
import { backwardStart, type Clauses, forwardEnd } from './clauses.js';
import { applyConstructions } from './constructions.js';
import type { Cue, CueRow } from './cues.js';
import { applyFragments } from './fragments.js';
import { applyPredicates, leavesAsIs } from './predicates.js';
import { type Carried, FINDINGS, type Target } from './target.js';

/** The rows of a line that ends in a colon which the items below it stand under. */
export function carriedBy(clauses: Clauses): Carried {
  const carried: { row: CueRow; text: string }[] = [];
  for (const cue of clauses.cues) {
    for (const row of cue.rows) {
      if (row.effect === 'none' || row.effect === 'stop' || row.limit !== undefined) continue;
      // `The following procedures were performed:`
      if (row.scope === 'before') {
        if (row.types && !row.via && cue.last === clauses.last - 1) carried.push({ row, text: cue.text });
        continue;
      }
      if (forwardEnd(clauses, cue, row) >= clauses.last) carried.push({ row, text: cue.text });
    }
  }
  return carried;
}

/** Gives each target the cues of its sentence that reach it, and those of the line above its list. */
export function applyCues(clauses: Clauses, targets: readonly Target[], carried: Carried): void {
  for (const cue of clauses.cues) {
    // `VS 98.2 110/70` are vital signs.
    if (cue.text === 'vs' && cue.first === clauses.first) continue;
    // `cannot walk without pain`
    if (cue.text === 'without' && isDoubled(clauses, cue)) continue;
    const name = targets.find(({ named, first, last }) => named && first <= cue.first && last >= cue.last);
    // `chest pain - no, palpitations - yes`: an answer has been given to what stands before it.
    const answers = cue.rows.some(
      (row) =>
        row.via !== undefined && row.scope === 'before' && backwardStart(clauses, cue, row) < cue.first,
    );
    for (const row of cue.rows) {
      if (answers && row.scope === 'after') continue;
      if (row.effect === 'none' || row.effect === 'stop' || (name && row.effect === 'possible')) continue;
      // `not in labor force, social isolation`: what a name denies within itself says nothing of the next one.
      // `No known allergy to aspirin` goes on.
      if (name && row.effect === 'negated' && name.last > cue.last && !goesOn(clauses.tokens, name)) continue;
      if (!row.via && targets.length > 0) {
        const side = sideOf(clauses, cue, row.effect, targets);
        if (side !== 'both' && side !== row.scope) continue;
      }
      // A mention may begin inside the cue that denies it: `no known` + `known allergies`.
      const from = row.scope === 'after' ? cue.first : backwardStart(clauses, cue, row);
      const to = row.scope === 'after' ? forwardEnd(clauses, cue, row) : cue.first;
      const tested =
        row.effect === 'negated' && row.scope === 'before'
          ? targets.find(({ type, last }) => type === 'test' && last === cue.first)
          : undefined;
      for (const target of targets) {
        // `NSCLC, EGFR negative`: a result is the test's alone.
        if (tested && target !== tested) continue;
        // A name may begin before the clause that a dash within it seems to open: `screening - mammogram due`.
        const reached = row.scope === 'before' && target.named ? target.last - 1 : target.first;
        if (reached < from || target.first >= to) continue;
        if (target.named && target.first === cue.first) continue;
        if (row.types && !speaksOf(row, target)) continue;
        // `Takes lisinopril; was put on atorvastatin but never picked it up`
        if (row.crosses && isBehindAnother(clauses, cue, row, target, targets)) continue;
        if (target.last <= cue.last && row.scope === 'after') continue;
        if (row.scope === 'before' && target.last > cue.first) continue;
        // `no synovitis, BP 128/76`: what has a number is no item of the list that is denied.
        if (row.effect === 'negated' && row.scope === 'after' && isMeasured(clauses.tokens, target)) continue;
        // `Codeine (itching), shellfish - denies`: of a list of drugs the last.
        if (row.via && target.type === 'medication' && isListed(clauses.tokens, target, cue)) continue;
        // `no seizures for months on lamotrigine`
        if (!row.types && TO_DENY.has(row.effect) && takenMeanwhile(clauses, cue, target, targets)) continue;
        // `No AF, metoprolol`: a drug behind a comma is no item of the findings that are denied.
        if (row.effect === 'negated' && cue.text === 'no' && endsFindings(clauses, cue, target, targets))
          continue;
        if (row.effect === 'negated' && leavesAsIs(clauses, cue, target)) continue;
        // `Albuterol prn asthma - not needed today`: what is taken as needed was not needed.
        if (row.effect === 'negated' && row.scope === 'before' && isAsNeeded(clauses.tokens, cue, target))
          continue;
        if (row.adjacent && !touches(clauses.tokens, cue, target)) continue;
        const distance = row.scope === 'after' ? target.first - cue.last : cue.first - target.last;
        target.hits.push({ row, text: cue.text, distance, cue });
      }
    }
  }
  applyConstructions(clauses, targets);
  applyPredicates(clauses, targets);
  applyFragments(clauses, targets);
  for (const { row, text } of carried) {
    for (const target of targets) {
      if (row.types && !speaksOf(row, target)) continue;
      target.hits.push({ row, text, distance: CARRIED_DISTANCE });
    }
  }
}

function isAsNeeded(tokens: readonly Token[], { first, text }: Cue, { type, last }: Target): boolean {
  if (type !== 'medication' || !/\b(?:needed|required|used)$/.test(text)) return false;
  for (let i = last; i < first; i++) if (tokens[i]!.norm === 'prn') return true;
  return false;
}

/** Rows of allergens reach drugs, too: which of them a word is, is decided afterwards. */
function speaksOf({ types }: CueRow, target: Target): boolean {
  return types!.includes(target.type) || (target.type === 'medication' && types![0] === 'allergen');
}

/** Whether a semicolon stands behind the target and another that the cue speaks of behind that. */
function isBehindAnother(
  { tokens }: Clauses,
  cue: Cue,
  row: CueRow,
  target: Target,
  targets: readonly Target[],
): boolean {
  let mark = target.last;
  while (mark < cue.first && tokens[mark]!.norm !== ';') mark++;
  return targets.some(
    (other) => other.first > mark && other.last <= cue.first && (!row.types || speaksOf(row, other)),
  );
}

/** A drug that a finding is denied `on` or `with` is being taken. */
function takenMeanwhile({ tokens }: Clauses, cue: Cue, target: Target, targets: readonly Target[]): boolean {
  if (target.type !== 'medication' || !MEANWHILE.has(tokens[target.first - 1]?.norm ?? '')) return false;
  return targets.some(
    ({ type, first, last }) => FINDINGS.has(type) && first >= cue.last && last < target.first,
  );
}

const TO_DENY = new Set(['negated', 'conditional']);
const MEANWHILE = new Set(['on', 'with', 'despite', 'under', 'taking']);

function isListed(tokens: readonly Token[], { last }: Target, cue: Cue): boolean {
  for (let i = last; i < cue.first; i++) if (tokens[i]!.norm === ',') return true;
  return false;
}

function endsFindings({ tokens }: Clauses, cue: Cue, target: Target, targets: readonly Target[]): boolean {
  if (target.type !== 'medication' || tokens[target.first - 1]?.norm !== ',') return false;
  for (let i = cue.last; i < target.first; i++) if (/^(?:or|nor)$/.test(tokens[i]!.norm)) return false;
  if (/^(?:or|nor)$/.test(tokens[target.last]?.norm ?? '')) return false;
  return targets.every(
    ({ type, first, last }) => first < cue.last || last > target.first || FINDINGS.has(type),
  );
}

const MEASURED = new Set(['vital-sign', 'test']);

function isMeasured(tokens: readonly Token[], { type, last }: Target): boolean {
  if (!MEASURED.has(type)) return false;
  const at = /^(?:[:=]|is|was|of)$/.test(tokens[last]?.norm ?? '') ? last + 1 : last;
  return /^\d/.test(tokens[at]?.norm ?? '');
}

function isDoubled({ tokens, first }: Clauses, cue: Cue): boolean {
  for (let i = cue.first - 1; i >= Math.max(first, cue.first - DOUBLE_REACH); i--) {
    const { norm } = tokens[i]!;
    if (norm === ',' || norm === ';') return false;
    if (NOTS.has(norm)) return true;
  }
  return false;
}

const DOUBLE_REACH = 4;
const NOTS = new Set(['not', "n't", 'cannot', 'never', 'unable', 'hardly']);

function goesOn(tokens: readonly Token[], { last }: Target): boolean {
  const norm = tokens[last]?.norm;
  return norm === 'to' || norm === 'of' || norm === 'for';
}

/** Farther than any cue of the sentence itself. */
const CARRIED_DISTANCE = 1000;

/**
 * Which way a cue looks that may look both ways: `metformin stopped` speaks of what is right before it, `, stopped
 * metformin` of what comes after. A cue that needs a mark between (`diabetes: no`) has its own say.
 */
function sideOf(
  clauses: Clauses,
  cue: Cue,
  effect: string,
  targets: readonly Target[],
): 'both' | 'after' | 'before' {
  const rows = cue.rows.filter((row) => row.effect === effect && !row.via);
  const back = rows.filter((row) => row.scope === 'before');
  // `X may cause Y` and the like speak of both.
  if (
    back.length === 0 ||
    back.length === rows.length ||
    cue.text.startsWith('v') ||
    effect === 'hypothetical'
  )
    return 'both';
  // `SOB ?PE`, `SOB ? PE`: away from the word before it, the mark doubts what follows.
  if (cue.text.startsWith('?') && cue.first > clauses.first) {
    const apart = clauses.tokens[cue.first - 1]!.end < clauses.tokens[cue.first]!.start;
    if (apart && targets.some(({ first }) => first >= cue.last && first <= cue.last + DOUBT_REACH))
      return 'after';
  }
  const before = clauses.tokens[cue.first - 1]?.norm;
  const after = clauses.tokens[cue.last]?.norm;
  // `AKI, resolved` has nothing behind it to speak of.
  const ends = cue.last >= clauses.last || after === '.' || after === ';' || after === ')';
  if (before === ',' && ends) return 'both';
  if (cue.first === clauses.first || before === ',' || before === 'and' || before === 'then') {
    // `was tapered and discontinued by her doctor`: nothing stands behind it.
    const behind = before === 'and' ? targets.some(({ first }) => first >= cue.last) : true;
    return behind ? 'after' : 'both';
  }
  const near = targets.some((target) => {
    if (target.last > cue.first || cue.first - target.last > 2) return false;
    if (!back.some((row) => !row.types || row.types.includes(target.type))) return false;
    for (let i = target.last; i < cue.first; i++) if (clauses.starts[i + 1 - clauses.first]) return false;
    return true;
  });
  return near ? 'before' : 'both';
}

/** Words that may stand between a mark of doubt and the name: `?early left PE`. */
const DOUBT_REACH = 3;

function touches(tokens: readonly Token[], cue: Cue, target: Target): boolean {
  return cue.last <= target.first
    ? tokens[cue.last - 1]!.end === tokens[target.first]!.start
    : tokens[target.last - 1]!.end === tokens[cue.first]!.start;
}
