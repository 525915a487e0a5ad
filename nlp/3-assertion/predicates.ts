import { backwardStart, type Clauses, forwardEnd } from './clauses.js';
import { type Cue, type CueRow, isAside } from './cues.js';
import { ACTS, FINDINGS, type Target } from './target.js';
import {
  DENYING,
  GROUP_MAX_TOKENS,
  type Group,
  HAVING,
  isCovered,
  isNone,
  isWeak,
  MODALS,
  means,
  NO_VERB,
  PARTICIPLE,
  PASSIVE,
  readGroup,
  SMALL_WORDS,
} from './verb-groups.js';

const ROW: Omit<CueRow, 'effect' | 'scope' | 'example'> = { cues: [] };
const ACT_TYPES = [...ACTS];
const FINDING_TYPES = [...FINDINGS];
/** What an open verb makes of its object or its subject. */
const ROWS = {
  willDo: {
    ...ROW,
    effect: 'planned',
    scope: 'after',
    types: ACT_TYPES,
    limit: 8,
    example: 'We will use {heparin}.',
  },
  toBeDone: {
    ...ROW,
    effect: 'planned',
    scope: 'before',
    types: ACT_TYPES,
    example: '{CT} might be reviewed first.',
  },
  notDone: {
    ...ROW,
    effect: 'negated',
    scope: 'before',
    types: ACT_TYPES,
    example: '{CTPA} was therefore not pursued.',
  },
  notSeen: {
    ...ROW,
    effect: 'negated',
    scope: 'before',
    types: FINDING_TYPES,
    example: '{Edema} could not be elicited.',
  },
  mayBe: {
    ...ROW,
    effect: 'possible',
    scope: 'after',
    types: FINDING_TYPES,
    limit: 6,
    example: 'It might reflect {gout}.',
  },
  ended: {
    ...ROW,
    effect: 'past',
    scope: 'before',
    types: ['medication'],
    because: 'stopped',
    example: '{Lamictal} had to be withdrawn.',
  },
  endedIt: {
    ...ROW,
    effect: 'past',
    scope: 'after',
    types: ['medication'],
    because: 'stopped',
    limit: 4,
    example: 'They ditched {Singulair}.',
  },
  noLonger: {
    ...ROW,
    effect: 'past',
    scope: 'after',
    types: ['medication'],
    because: 'stopped',
    limit: 6,
    example: 'No longer bothers with {methadone}.',
  },
  notAs: {
    ...ROW,
    effect: 'negated',
    scope: 'after',
    types: FINDING_TYPES,
    limit: 5,
    example: 'Not treating as {UTI}.',
  },
  wouldFor: {
    ...ROW,
    effect: 'conditional',
    scope: 'after',
    types: ['diagnosis'],
    limit: 6,
    example: 'Would accept antibiotics for {pneumonia}.',
  },
  wishes: {
    ...ROW,
    effect: 'planned',
    scope: 'after',
    types: ACT_TYPES,
    limit: 8,
    example: 'Wishes to pursue {TKA}.',
  },
  takenBack: {
    ...ROW,
    effect: 'negated',
    scope: 'before',
    types: ACT_TYPES,
    example: '{Norco} at home but did not want it.',
  },
} as const satisfies Record<string, CueRow>;

/**
 * What a verb says by how it stands, whichever verb it is: behind a modal (`will use`, `could be done`), denied in the
 * passive (`was therefore not pursued`), wished (`agreed to proceed with`), or denied of `it` (`has not opened it`).
 * Verbs that the cues know of are left to them.
 */
export function applyPredicates(clauses: Clauses, targets: readonly Target[]): void {
  if (targets.length === 0) return;
  const { tokens, first, last } = clauses;
  for (let i = first; i < last; i++) {
    const { norm } = tokens[i]!;
    if (MODALS.has(norm) || HAVING.has(norm) || norm === 'needs' || norm === 'needed') {
      const group = readGroup(clauses, i);
      if (group) {
        judge(clauses, group, targets);
        if (!group.denied) i = group.last - 1;
      }
    } else if (norm === 'to' && i > first) wish(clauses, i, targets);
    else if (THINGS.has(norm)) takeBack(clauses, i, targets);
    else if (norm === 'not' || norm === 'never') bareDenial(clauses, i, targets);
    else if (norm === 'longer' && tokens[i - 1]?.norm === 'no') noLonger(clauses, i, targets);
    else if (means('ended', norm) && PARTICIPLE.test(norm)) ended(clauses, i, targets);
  }
}

/** The last act that is named before `at`, within reach of it, and that nobody is said to be allergic to. */
function between(
  { tokens }: Clauses,
  targets: readonly Target[],
  at: number,
  reach: number,
  types: ReadonlySet<string> = ACTS,
): Target | undefined {
  let nearest: Target | undefined;
  for (const target of targets) {
    if (target.last > at || at - target.last > reach || !types.has(target.type)) continue;
    if (/^(?:allerg|intoleran)/.test(tokens[target.first - 2]?.norm ?? '')) continue;
    nearest = target;
  }
  if (!nearest) return undefined;
  for (let i = nearest.last; i < at; i++) if (tokens[i]!.norm === ';') return undefined;
  return nearest;
}

const DRUGS: ReadonlySet<string> = new Set(['medication']);

function hit(target: Target, row: CueRow, clauses: Clauses, first: number, last: number, distance = 0): void {
  const text = `verb ${clauses.tokens[last - 1]!.norm}`;
  target.hits.push({ row, text, distance, cue: { first, last, rows: [row], text } });
}

/**
 * A denial without its auxiliary: `GTN never needed`, `amputation not anticipated`, `…, so not administered`; and `not
 * treating as UTI`.
 */
function bareDenial(clauses: Clauses, at: number, targets: readonly Target[]): void {
  const { tokens, first, last } = clauses;
  let i = at + 1;
  while (i < Math.min(last, at + 3) && (isAside(tokens[i]!.norm, '') || SMALL_WORDS.has(tokens[i]!.norm)))
    i++;
  const verb = tokens[i]?.norm ?? '';
  if (i >= last || at === first || isNone(clauses, at)) return;
  if (verb.endsWith('ing') && /^(?:as|for|like)$/.test(tokens[i + 1]?.norm ?? '')) {
    if (!isCovered(clauses, at))
      push(
        clauses,
        { first: at, last: i + 1, verb, modal: false, denied: true, passive: false },
        ROWS.notAs,
        targets,
      );
    return;
  }
  const object = tokens[i + 1]?.norm ?? '.';
  const before = tokens[at - 1]!.norm;
  if (TAKING.test(verb)) {
    // `given a script, may not fill`
    if (i + 1 < last && !/^[.,;)]$/.test(object)) return;
    const target = between(clauses, targets, at, TAKEN_BACK_REACH);
    if (target && target.type !== 'test') hit(target, ROWS.takenBack, clauses, at, i + 1);
    return;
  }
  const goesOn = GOING_ON.test(verb);
  if (!PARTICIPLE.test(verb) || (means('kept', verb) && !goesOn) || HAVING.has(before)) return;
  const elliptic = /^(?:so|but|,|therefore|thus|and|[-–—])$/.test(before);
  if (elliptic && i + 1 < last && !/^(?:[.,;)]|until|as|due|because|yet|today|in|by|at|[-–—])$/.test(object))
    return;
  const target = between(clauses, targets, at, elliptic ? TAKEN_BACK_REACH : 2);
  if (!target || target.type === 'test') return;
  hit(target, goesOn ? ROWS.ended : ROWS.notDone, clauses, at, i + 1);
  // `Prescribed: midazolam, glycopyrronium, levomepromazine - not yet used`
  if (tokens[at + 1]!.norm !== 'yet') return;
  let from = target.first;
  for (let k = targets.indexOf(target) - 1; k >= 0; k--) {
    const other = targets[k]!;
    if (other.type !== target.type || from - other.last > LIST_REACH || !isJoined(tokens, other.last, from))
      break;
    hit(other, ROWS.notDone, clauses, at, i + 1);
    from = other.first;
  }
}

function isJoined(tokens: Clauses['tokens'], from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (/^(?:,|and|&|\/|\+)$/.test(tokens[i]!.norm)) return true;
  return false;
}

/** To deny it ends a drug. */
const GOING_ON = /^(?:continued|resumed|restarted|renewed|re-?prescribed|recommenced|reinstated)$/;

/** What is done with a drug that is not taken, where its name is left out. */
const TAKING = /^(?:fill|take|use|start|collect|bother|attend|begin|try|inject|apply)$/;

/** `no longer bothers with methadone` */
function noLonger(clauses: Clauses, at: number, targets: readonly Target[]): void {
  const verb = clauses.tokens[at + 1]?.norm ?? '';
  if (!/^[a-z]{3,}$/.test(verb) || at + 1 >= clauses.last) return;
  push(
    clauses,
    { first: at, last: at + 2, verb, modal: false, denied: false, passive: false },
    ROWS.noLonger,
    targets,
  );
}

/** `clopidogrel dropped because of bruising`, `had to be withdrawn`, `her parents binned it`, `these were pulled`. */
function ended(clauses: Clauses, at: number, targets: readonly Target[]): void {
  const { tokens, first, last } = clauses;
  if (isNone(clauses, at)) return;
  const object = tokens[at + 1]?.norm ?? '';
  if (at + 1 < last && /^(?:it|them|this|these)$/.test(object)) {
    const target = between(clauses, targets, at, TAKEN_BACK_REACH);
    if (target?.type === 'medication') hit(target, ROWS.ended, clauses, at, at + 1);
    return;
  }
  if (targets.some(({ type, first: from }) => type === 'medication' && from > at && from - at <= 3)) {
    push(
      clauses,
      { first: at, last: at + 1, verb: tokens[at]!.norm, modal: false, denied: false, passive: false },
      ROWS.endedIt,
      targets,
    );
    return;
  }
  if (at === first) return;
  let i = at - 1;
  while (
    i > first &&
    at - i < GROUP_MAX_TOKENS &&
    (PASSIVE.has(tokens[i]!.norm) ||
      HAVING.has(tokens[i]!.norm) ||
      tokens[i]!.norm === 'to' ||
      isAside(tokens[i]!.norm, ''))
  )
    i--;
  if (DENYING.has(tokens[i]!.norm)) return;
  // `Naproxen, which she had been buying, was discontinued`
  if (tokens[i]!.norm === ',') {
    let from = i - 1;
    while (from > first && i - from < RELATIVE_MAX_TOKENS && tokens[from]!.norm !== ',') from--;
    const drug = targets.find(({ type, last: end }) => type === 'medication' && end === from);
    if (drug && /^(?:which|that|who)$/.test(tokens[from + 1]!.norm))
      hit(drug, ROWS.ended, clauses, i + 1, at + 1);
  }
  const these = /^(?:these|those|they|both|which|it|this)$/.test(tokens[i]!.norm);
  // Its directions may stand between a drug and what was done with it.
  const target = between(clauses, targets, i + 1, these ? TAKEN_BACK_REACH : 5, these ? DRUGS : ACTS);
  if (target?.type !== 'medication') return;
  for (let k = target.last; k <= i; k++)
    if (!these && /^(?:and|but|,|for|with|because|while)$/.test(tokens[k]!.norm)) return;
  hit(target, ROWS.ended, clauses, i + 1, at + 1);
  if (!/^(?:these|those|they|both)$/.test(tokens[i]!.norm)) return;
  for (const other of targets)
    if (other.type === 'medication' && other.last <= target.first && target.first - other.last <= LIST_REACH)
      hit(other, ROWS.ended, clauses, i + 1, at + 1);
}

const LIST_REACH = 4;
const RELATIVE_MAX_TOKENS = 14;

function judge(clauses: Clauses, group: Group, targets: readonly Target[]): void {
  const { verb, modal, denied, passive } = group;
  if (passive) {
    // `would be the better choice`, `might be an option`, `is not an option`: of what is not done yet.
    if (means('fit', verb) && (modal || denied)) {
      push(clauses, group, denied ? ROWS.notDone : ROWS.toBeDone, targets);
      return;
    }
    if (!PARTICIPLE.test(verb)) return;
    // `was loaded but not continued`
    if (denied && GOING_ON.test(verb)) push(clauses, group, ROWS.ended, targets);
    if (means('kept', verb)) return;
    if (denied) {
      push(clauses, group, ROWS.notDone, targets);
      // `has not been formally visualized`: it may be there all the same.
      const partly = clauses.tokens.slice(group.first, group.last).some(({ norm }) => norm.endsWith('ly'));
      if (means('seen', verb) && !partly) push(clauses, group, ROWS.notSeen, targets);
    } else if (modal) push(clauses, group, ROWS.toBeDone, targets);
    return;
  }
  if (!modal) return;
  // `hearing aids may help`, `PEG would not benefit him`
  if (HELPING.test(verb)) push(clauses, group, denied ? ROWS.notDone : ROWS.toBeDone, targets);
  if (denied) return;
  if (!means('kept', verb)) push(clauses, group, ROWS.willDo, targets);
  const modalWord = clauses.tokens[group.first]!.norm;
  if (modalWord === 'would') push(clauses, group, ROWS.wouldFor, targets);
  if (/^(?:may|might|could)$/.test(modalWord) && !means('lasting', verb))
    push(clauses, group, ROWS.mayBe, targets);
}

const HELPING = /^(?:help|benefit|suit|relieve|work|suffice)$/;

function push(clauses: Clauses, { first, last, verb }: Group, row: CueRow, targets: readonly Target[]): void {
  // `To whom it may concern: …`
  if (row.scope === 'after' && clauses.tokens[last]?.norm === ':') return;
  const cue: Cue = { first, last, rows: [row], text: `verb ${verb}` };
  const from = row.scope === 'after' ? last : backwardStart(clauses, cue, row);
  const to = row.scope === 'after' ? forwardEnd(clauses, cue, row) : first;
  for (const target of targets) {
    if (target.first < from || target.first >= to || !row.types!.includes(target.type)) continue;
    if (row.scope === 'before' && target.last > first) continue;
    if (row === ROWS.wouldFor && clauses.tokens[target.first - 1]!.norm !== 'for') continue;
    // Nearer than the cue that its verb is: `CT could not be done`.
    const distance = row.scope === 'after' ? target.first - last : first - target.last - 1;
    target.hits.push({ row, text: cue.text, distance, cue });
  }
}

/** `agreed to proceed with`, `is keen to explore`: a wish, a plan, and the verb of what is wished. */
function wish(clauses: Clauses, at: number, targets: readonly Target[]): void {
  const { tokens, last, cues, cueAt, first } = clauses;
  const verb = tokens[at + 1]?.norm ?? '';
  if (at + 1 >= last || !means('wished', tokens[at - 1]!.norm) || !/^[a-z]{3,}$/.test(verb)) return;
  if (NO_VERB.test(verb) || means('kept', verb)) return;
  for (let k = at - 1; k <= at + 1; k++) {
    const index = cueAt[k - first]!;
    if (index >= 0 && (k < at || !isWeak(cues[index]!))) return;
  }
  push(
    clauses,
    { first: at - 1, last: at + 2, verb, modal: true, denied: false, passive: false },
    ROWS.wishes,
    targets,
  );
}

const THINGS = new Set(['it', 'them', 'this', 'any', 'one']);
const DENIAL_REACH = 7;
const TAKEN_BACK_REACH = 24;

/** `has codeine at home, doesn't want to use it`: what is denied of `it` is denied of what was named before. */
function takeBack(clauses: Clauses, at: number, targets: readonly Target[]): void {
  const { tokens, first } = clauses;
  const verb = tokens[at - 1]?.norm ?? '';
  const before = /^(?:up|out|for|off|in)$/.test(verb) ? (tokens[at - 2]?.norm ?? '') : verb;
  if (!/^[a-z]{3,}$/.test(before) || NO_VERB.test(before)) return;
  if (means('kept', before) || /^(?:like|understand|mention|know|think|see|feel|bother)/.test(before)) return;
  let denial = -1;
  for (let i = at - 2; i >= Math.max(first, at - DENIAL_REACH); i--) {
    const { norm } = tokens[i]!;
    if (DENYING.has(norm) || REFUSING.test(norm)) {
      denial = i;
      break;
    }
    if (!/^[a-z]+$/.test(norm) || norm === 'and' || norm === 'but') return;
  }
  if (denial < 0) return;
  let nearest: Target | undefined;
  for (const target of targets)
    if (target.last <= denial && target.first >= denial - TAKEN_BACK_REACH && ACTS.has(target.type))
      nearest = target;
  if (!nearest || nearest.type === 'test') return;
  const cue: Cue = {
    first: denial,
    last: at + 1,
    rows: [ROWS.takenBack],
    text: `not ${before} ${tokens[at]!.norm}`,
  };
  nearest.hits.push({ row: ROWS.takenBack, text: cue.text, distance: 0, cue });
}

const REFUSING = /^(?:refus|declin|reluct|unwilling|hesita)/;

/**
 * Whether a bare denial speaks of a verb that leaves things as they are: `have not altered his bisoprolol` says that he
 * takes it, `has not controlled her asthma` that she has it.
 */
export function leavesAsIs({ tokens, last }: Clauses, cue: Cue, target: Target): boolean {
  if (!/(?:^|\s)(?:not|n't|never)$/.test(cue.text)) return false;
  let i = cue.last;
  while (
    i < Math.min(last, cue.last + 3) &&
    (isAside(tokens[i]!.norm, '') || SMALL_WORDS.has(tokens[i]!.norm))
  )
    i++;
  const verb = tokens[i]?.norm ?? '';
  if (i >= target.first) return false;
  return means('kept', verb)
    ? ACTS.has(target.type) || /^(?:chang|alter)/.test(verb)
    : FINDINGS.has(target.type) && means('lasting', verb);
}
