import type { Token } from '../model.js';
import { type Cue, type CueRow, findCues } from './cues.js';

const SUBJECTS = new Set([
  'he',
  'she',
  'they',
  'there',
  'it',
  'we',
  'i',
  'patient',
  'pt',
  'this',
  'these',
  'vitals',
  'exam',
  'family',
  'his',
  'her',
]);
const PRONOUNS = new Set(['he', 'she', 'they', 'we', 'i', 'patient', 'pt']);
const SUBORDINATORS = new Set(['that', 'if', 'whether', 'when', 'whom', 'as', 'which', 'what', 'where']);
const CONJUNCTIONS = new Set(['and', ',', 'but', 'so', ';']);
/** Participles that qualify a noun right after a negation (`no reported fever`) and end nothing there. */
const STARTS_STATEMENT = new Set(['past', 'current', 'possible', 'planned', 'conditional', 'hypothetical']);

/** The sentence as the scopes see it: its cues, and where a new statement begins. */
export interface Clauses {
  readonly tokens: readonly Token[];
  readonly first: number;
  readonly last: number;
  readonly cues: readonly Cue[];
  /** Index of the cue that covers a token, by token index minus `first`; -1 where none does. */
  readonly cueAt: Int16Array;
  /** 1 where a clause starts at this token. */
  readonly starts: Uint8Array;
}

export function readClauses(tokens: readonly Token[], first: number, last: number): Clauses {
  const cues = findCues(tokens, first, last);
  const cueAt = new Int16Array(last - first).fill(-1);
  cues.forEach((cue, index) => {
    for (let i = cue.first; i < cue.last; i++) cueAt[i - first] = index;
  });
  const starts = new Uint8Array(last - first + 1);
  for (let i = first; i < last; i++) {
    const text = tokens[i]!.norm;
    if (text === ';' || text === '|') starts[i + 1 - first] = 1;
    else if (text === ':') starts[i + 1 - first] = 1;
    else if ((text === '-' || text === '–' || text === '—') && isSpacedDash(tokens, i))
      starts[i + 1 - first] = 1;
    else if (i > first && SUBJECTS.has(text) && startsSubject(tokens, i, first, last)) starts[i - first] = 1;
    else if (i > first && tokens[i - 1]!.norm === ',' && isStatement(tokens, i, last)) starts[i - first] = 1;
    else if (
      i > first + 1 &&
      tokens[i - 1]!.norm === 'and' &&
      tokens[i - 2]!.norm === ',' &&
      isLongStatement(tokens, i, last)
    )
      starts[i - first] = 1;
  }
  return { tokens, first, last, cues, cueAt, starts };
}

function isSpacedDash(tokens: readonly Token[], i: number): boolean {
  const before = tokens[i - 1];
  const after = tokens[i + 1];
  return (
    before !== undefined &&
    after !== undefined &&
    before.end < tokens[i]!.start &&
    tokens[i]!.end < after.start
  );
}

/** A subject after a comma or conjunction begins a new statement: `no fever, he coughs`. */
function startsSubject(tokens: readonly Token[], i: number, first: number, last: number): boolean {
  let before = i - 1;
  if (before > first && tokens[before]!.norm === 'the') before--;
  const word = tokens[before]!.norm;
  const subject = tokens[i]!.norm;
  // `Instead of codeine she takes acetaminophen`
  if (PRONOUNS.has(subject) && i + 1 < last && FINITE.has(tokens[i + 1]!.norm))
    return !SUBORDINATORS.has(word);
  if (!CONJUNCTIONS.has(word)) return false;
  // `no pain in his leg, his arm or her back` is a list; a possessive needs a verb soon after.
  if (subject === 'his' || subject === 'her' || subject === 'this' || subject === 'these') {
    for (let k = i + 1; k < Math.min(last, i + 5); k++) if (VERBS.has(tokens[k]!.norm)) return true;
    return false;
  }
  return true;
}

const SUBJECT_MAX_TOKENS = 3;
/** Marks and digits come before the letters, which are small in a norm. */
const SMALL_A = 97;

/** `…, MRI confirmed a fracture`: a few words and a verb behind a comma are a statement of their own. */
function isStatement(tokens: readonly Token[], i: number, last: number): boolean {
  for (let k = i; k < Math.min(last, i + SUBJECT_MAX_TOKENS + 1); k++) {
    const { norm } = tokens[k]!;
    if (k > i && TELLING.has(norm)) return true;
    if (norm.charCodeAt(0) < SMALL_A || LINKING.has(norm)) return false;
  }
  return false;
}

const LONG_SUBJECT_MAX_TOKENS = 9;

/** `…, and coronary angiography in March showed no disease`: a subject with what belongs to it, and its verb. */
function isLongStatement(tokens: readonly Token[], i: number, last: number): boolean {
  for (let k = i; k < Math.min(last, i + LONG_SUBJECT_MAX_TOKENS); k++) {
    const { norm } = tokens[k]!;
    if (k > i && TELLING.has(norm)) return true;
    if (/^[,;:]$/.test(norm) || (LINKING.has(norm) && !/^(?:of|in|for)$/.test(norm))) return false;
  }
  return false;
}

const TELLING = new Set(
  'is are was were has have had shows showed reveals revealed demonstrates demonstrated confirms confirmed remains remained'.split(
    ' ',
  ),
);
/** What goes on with a list or a clause: no subject begins with it or runs through it. */
const LINKING = new Set(
  'and or nor but no not without with who which that if when of in for to as than denies reports none both all'.split(
    ' ',
  ),
);

export const VERBS = new Set(
  'is are was were has have had shows showed reveals revealed demonstrates demonstrated found noted develops developed presents presented reports reported complains complained denies denied underwent started continued received takes took states stated remains remained appears appeared suggests suggested improved worsened resolved confirmed'.split(
    ' ',
  ),
);

/** After a pronoun these too make a statement. */
const FINITE = new Set([
  ...VERBS,
  ...'gets get got feels felt will would can could does did began went came goes uses used needs wants notes noticed prefers preferred continues tolerates drinks smokes lives works'.split(
    ' ',
  ),
]);

const SCOPE_MAX_TOKENS = 200;
const BACKWARD_MAX_TOKENS = 14;

function hasStop(cue: Cue): boolean {
  return cue.rows.some((row) => row.effect === 'stop');
}

/**
 * Index of the first token a forward scope does not reach. A scope runs to the end of its clause: through lists,
 * to a stop cue, a new subject or a semicolon.
 */
export function forwardEnd(clauses: Clauses, cue: Cue, row: CueRow): number {
  const { first, last, cues, cueAt, starts, tokens } = clauses;
  let limit = Math.min(last, cue.last + (row.limit ?? SCOPE_MAX_TOKENS));
  let at = cue.last;
  // `Denies: fever` and `Family history - gout`: the mark belongs to the cue.
  if (at < last && (tokens[at]!.norm === ':' || tokens[at]!.norm === '-')) {
    at++;
    limit = Math.min(last, limit + 1);
  } else if (row.follow) return cue.last;
  const opened = at;
  // `Hypertension (since 2005), gout`: what is said in brackets ends with them.
  let depth = openBrackets(clauses, cue) ? 0 : Number.NaN;
  for (; at < limit; at++) {
    const mark = tokens[at]!.norm;
    if (mark === '(') depth++;
    else if (mark === ')' && --depth < 0) return at;
    if (starts[at - first] && at > opened && !introduces(clauses, cue, row, at)) {
      // `if it swells or you feel short of breath`: the condition goes on.
      if (row.effect === 'conditional' && IF.test(cue.text) && /^(?:or|and)$/.test(tokens[at - 1]!.norm))
        continue;
      // `signs of preeclampsia - headache, visual changes`: a list of what was spoken of.
      if (row.effect === 'hypothetical' && /^[-–—:]$/.test(tokens[at - 1]!.norm) && SIGNS.test(cue.text))
        continue;
      // `As a child, she had gout`: what opens the sentence speaks of its statement.
      if (
        cue.first !== first ||
        row.effect === 'negated' ||
        at !== opened + 1 ||
        tokens[opened]!.norm !== ','
      )
        return at;
    }
    if (row.effect === 'negated' && at > opened + 1 && isGraded(clauses, cue, at)) return at;
    const other = cueAt[at - first]!;
    if (other < 0) continue;
    const next = cues[other]!;
    if (next.first !== at) continue;
    if (hasStop(next)) {
      // `If the biopsy shows cancer`: the verb belongs to the condition.
      if (row.effect === 'conditional' && IF.test(cue.text) && !OTHERWISE.test(next.text)) {
        at = next.last - 1;
        continue;
      }
      // `no reported fever` is one phrase; `negative except for asthma` is not.
      if ((at > opened && at > cue.last) || TURNS.test(next.text)) return at;
    } else if (
      row.effect === 'negated' &&
      at > cue.last &&
      // `no seizures since levetiracetam was started`
      (opensStatement(tokens, next) || (AFTERWARDS.has(next.text) && tokens[at - 1]!.norm !== 'the'))
    )
      return at;
    at = next.last - 1;
  }
  return limit;
}

const GRADES = new Set(
  'mild mildly moderate moderately severe marked mod small large trace minimal stable unchanged chronic known extensive diffuse bilateral scattered multiple'.split(
    ' ',
  ),
);

/** `no suspicious nodules, mild emphysema`: what has a grade is there, unless the list of what is not goes on. */
function isGraded({ tokens, last }: Clauses, cue: Cue, at: number): boolean {
  if (
    tokens[at - 1]!.norm !== ',' ||
    !GRADES.has(tokens[at]!.norm) ||
    !/^(?:no|without|w\/o)\b/.test(cue.text)
  )
    return false;
  for (let i = cue.last; i < last; i++) {
    const { norm } = tokens[i]!;
    if (norm === 'or' || norm === 'nor' || norm === '/') return false;
    if (norm === ';' || norm === '.') break;
  }
  return true;
}

/** Whether the cue stands in brackets that were opened in its sentence. */
function openBrackets({ tokens, first }: Clauses, cue: Cue): boolean {
  let depth = 0;
  for (let i = cue.first - 1; i >= Math.max(first, cue.first - BRACKET_MAX_TOKENS); i--) {
    const { norm } = tokens[i]!;
    if (norm === ')') depth--;
    else if (norm === '(' && ++depth > 0) return true;
  }
  return false;
}

const BRACKET_MAX_TOKENS = 30;

const DEEDS = new Set(['planned', 'current', 'past']);
const INTRODUCTION_MAX_TOKENS = 6;

/** `was given the following vaccines: …`: what comes after the colon is what the cue speaks of. */
function introduces({ tokens }: Clauses, cue: Cue, row: CueRow, at: number): boolean {
  if (tokens[at - 1]!.norm !== ':' || at - 1 - cue.last > INTRODUCTION_MAX_TOKENS) return false;
  if (DEEDS.has(row.effect) && row.types) return true;
  for (let i = cue.last; i < at - 1; i++)
    if (tokens[i]!.norm === 'following' || tokens[i]!.norm === 'these') return true;
  return false;
}

const AFTERWARDS = new Set(['since', 'after', 'following']);
const SIGNS = /\b(?:signs?|symptoms|precautions|flags?|risks|complications|side effects|advised|warned)\b/;
const IF = /^(?:if|unless|should|when|whenever|in case|in the event)\b/;
const OTHERWISE = /^(?:but|except|however|although|though|otherwise|instead|so|therefore|thus|hence)\b/;

const TURNS = /^(?:but|except|with the exception|other than|aside|apart|however|although|though|besides)/;

/** `, history of` or `and continue`: another statement begins, which a negation before it does not reach. */
function opensStatement(tokens: readonly Token[], cue: Cue): boolean {
  const before = tokens[cue.first - 1]!.norm;
  if (before !== ',' && before !== 'and' && before !== 'then') return false;
  // An adjective (`, recent stroke`) goes on with the list.
  return cue.rows.some(
    (row) => row.scope === 'after' && row.limit === undefined && STARTS_STATEMENT.has(row.effect),
  );
}

/**
 * Index of the first token a backward scope reaches: the noun phrases before the cue. Where their clause has a
 * verb of its own (`CT showed pneumonia and PE was ruled out`) only the last of them.
 */
export function backwardStart(clauses: Clauses, cue: Cue, row: CueRow): number {
  const { first, cues, cueAt, starts, tokens } = clauses;
  let at = cue.first;
  if (row.via) {
    const mark = tokens[at - 1]?.norm;
    if (
      at - 1 < first ||
      (mark !== ':' && mark !== '?' && mark !== '-' && mark !== '–' && mark !== '=' && mark !== '|')
    )
      return cue.first;
    if (!endsAnswer(clauses, cue)) return cue.first;
    // The noughts of `1-0-0` are doses.
    if (mark === '-' && /^\d/.test(tokens[at - 2]?.norm ?? '')) return cue.first;
    at--;
  }
  if (row.crosses) return Math.max(first, cue.first - (row.limit ?? BACKWARD_MAX_TOKENS));
  const floor = Math.max(first, cue.first - (row.limit === undefined ? BACKWARD_MAX_TOKENS : row.limit));
  let verb = false;
  if (secondParticiple(clauses, cue)) at = cue.first - 3;
  for (let i = at - 1; i >= floor; i--) {
    const other = cueAt[i - first]!;
    const stopped =
      other >= 0 && (hasStop(cues[other]!) || (tokens[i + 1]!.norm === ',' && saysDone(cues[other]!)));
    if (stopped || VERBS.has(tokens[i]!.norm) || ATTRIBUTES.test(tokens[i]!.norm)) {
      verb = true;
      at = i + 1;
      break;
    }
    // `New neutropenia 0.8, fever excluded`: an item with its value is no part of the list.
    if (
      row.effect === 'negated' &&
      tokens[i]!.norm === ',' &&
      i > floor &&
      /^\d[\d.]*$/.test(tokens[i - 1]!.norm)
    )
      break;
    at = i;
    if (starts[i - first]) break;
  }
  if (!verb) return at;
  // `He had gout, resolved.`: a comma right before a cue that ends its clause parts nothing.
  const from =
    tokens[cue.first - 1]!.norm === ',' && endsClause(clauses, cue) ? cue.first - 2 : cue.first - 1;
  for (let i = from; i > at; i--) {
    const word = tokens[i]!.norm;
    if (word === 'and' || word === ',' || word === 'but') return i + 1;
  }
  return at;
}

/** `AKI likely prerenal, obstruction excluded`: says something of what stands before it. */
const ATTRIBUTES = /^(?:likely|probably|presumably|due)$/;

/** `paracetamol given, codeine avoided`: the deed before the comma has its own verb. */
function saysDone(cue: Cue): boolean {
  return cue.rows.some(({ effect, scope, types }) => effect === 'current' && scope === 'before' && types);
}

/** `was tapered and discontinued`: both speak of what stands before the first. */
function secondParticiple({ tokens, first }: Clauses, cue: Cue): boolean {
  const at = cue.first - 1;
  if (at - 3 < first || tokens[at]!.norm !== 'and') return false;
  return tokens[at - 1]!.norm.endsWith('ed') && /^(?:was|were|is|been|being)$/.test(tokens[at - 2]!.norm);
}

function endsClause({ tokens, last }: Clauses, cue: Cue): boolean {
  const after = tokens[cue.last]?.norm;
  // `pneumonia, which has resolved, and …`: commas before and behind.
  return cue.last >= last || after === '.' || after === ';' || after === ')' || after === ',';
}

/** The answer ends the sentence or is followed by a mark: `Diabetes: no, asthma: yes`. */
function endsAnswer(clauses: Clauses, cue: Cue): boolean {
  const { tokens, last } = clauses;
  if (cue.last >= last) return true;
  const next = tokens[cue.last]!;
  if (!/^[\p{L}\d]/u.test(next.norm)) return true;
  // `Fever: neg  Rash: pos`: the next question follows at once.
  const colon = tokens[cue.last + 1]?.norm === ':';
  return colon && next.start > tokens[cue.last - 1]!.end;
}
