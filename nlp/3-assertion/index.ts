import { exactTitle } from '../1-segment/titles.js';
import type {
  AnnotatedText,
  Assertion,
  Attribute,
  Mention,
  MentionType,
  Section,
  Sentence,
  Token,
} from '../model.js';
import type { NlpStage } from '../pipeline.js';
import { findAllergens } from './allergens.js';
import { backwardStart, type Clauses, forwardEnd, readClauses } from './clauses.js';
import type { Cue, CueRow } from './cues.js';
import {
  type Answer,
  afterPlaceholder,
  answerAfter,
  boxOf,
  readSigns,
  replyAfter,
  type Signs,
} from './forms.js';
import { findPeople, NEWBORN, type PersonRow, subjectOf } from './people.js';

/** Stage `assertion`: whether each mention is so, when, and of whom. */
export const assertion: NlpStage = {
  name: 'assertion',
  needs: ['sections', 'sentences', 'tokens', 'mentions'],
  adds: ['mentions.assertion'],
  run(input) {
    return { ...input, mentions: assertMentions(input) };
  },
};

/** A mention within its sentence, by token indices. */
interface Target {
  readonly index: number;
  readonly first: number;
  readonly last: number;
  readonly type: MentionType;
  /** A row of the lexicon: a cue among its words is part of the name (`suspected COVID-19`). */
  readonly named: boolean;
  readonly hits: Hit[];
}

/** One cue that reaches a mention. */
interface Hit {
  readonly row: CueRow;
  readonly text: string;
  readonly distance: number;
  readonly cue?: Cue;
}

/** Rows that a line ending in a colon hands to the items of the list below it. */
type Carried = readonly { row: CueRow; text: string }[];

/** The mentions with their assertions, in the order given. Linear in the length of the text. */
export function assertMentions(input: AnnotatedText): Mention[] {
  const { mentions, sentences, tokens, sections } = input;
  const result: Mention[] = [...mentions];
  const order = mentions.map((_, index) => index).sort((a, b) => mentions[a]!.start - mentions[b]!.start);
  let next = 0;
  let carried: Carried = [];
  let about: PersonRow | undefined;
  let taughtIn = -1;
  const ofNewborn = NEWBORN.test(input.text);
  sentences.forEach((sentence, s) => {
    const section = sections[sentence.section];
    const targets: Target[] = [];
    while (next < order.length && mentions[order[next]!]!.start < sentence.end) {
      const index = order[next]!;
      const target = targetOf(mentions[index]!, index, tokens, sentence);
      if (target) targets.push(target);
      next++;
    }
    const previous = sentences[s - 1];
    if (!continuesList(sentence, previous, sections, input.text)) carried = [];
    const isHeader = section !== undefined && sentence.end <= section.bodyStart && section.kind !== 'other';
    const colon = !isHeader && tokens[sentence.lastToken - 1]?.norm === ':';
    if (targets.length > 0 || colon) {
      const clauses = readClauses(tokens, sentence.firstToken, sentence.lastToken);
      applyCues(clauses, targets, carried);
      const allergens =
        targets.length > 0 ? findAllergens(tokens, sentence.firstToken, sentence.lastToken) : undefined;
      const people =
        targets.length > 0
          ? findPeople(
              tokens,
              sentence.firstToken,
              sentence.lastToken,
              clauses.starts,
              targets,
              ofNewborn,
            ).filter(
              // `victim of intimate partner abuse`: a person in a name is not the one of whom the rest is said.
              ({ word }) => !targets.some(({ named, first, last }) => named && word >= first && word < last),
            )
          : [];
      const pronoun = about !== undefined && startsWithPronounOf(tokens, sentence, about) ? about : undefined;
      const asked = isQuestion(tokens, sentence);
      const reply = asked ? replyAfter(input.text, sentence.end) : undefined;
      const question = asked && !reply;
      if (question && targets.length > 0 && teaches(tokens, sentence)) taughtIn = sentence.section;
      const taught = taughtIn === sentence.section && !question;
      const box = boxOf(tokens, sentence);
      const signs = targets.length > 0 ? readSigns(tokens, sentence, targets[0]!.first) : undefined;
      for (const target of targets) {
        const person =
          people.find((scope) => target.first >= scope.from && target.last <= scope.to)?.row ?? pronoun;
        const mention = mentions[target.index]!;
        result[target.index] = decide(mention, target, {
          section,
          person,
          question,
          box,
          signs,
          answer: reply ?? answerAfter(input.text, mention.end),
          placeholder: afterPlaceholder(input.text, mention.start),
          taught,
          allergen: allergens![target.first - sentence.firstToken] === 1,
          tokens,
        });
      }
      if (colon) carried = carriedBy(clauses);
    }
    about =
      subjectOf(tokens, sentence.firstToken, sentence.lastToken) ??
      (about && startsWithPronounOf(tokens, sentence, about) ? about : undefined);
  });
  return result;
}

function targetOf(
  mention: Mention,
  index: number,
  tokens: readonly Token[],
  sentence: Sentence,
): Target | undefined {
  let low = sentence.firstToken;
  let high = sentence.lastToken;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokens[middle]!.end <= mention.start) low = middle + 1;
    else high = middle;
  }
  let last = low;
  while (last < sentence.lastToken && tokens[last]!.start < mention.end) last++;
  // Cues speak of a drug whether it is taken or not tolerated; which of them it is, is decided afterwards.
  const type = mention.type === 'allergen' ? 'medication' : mention.type;
  const because = mention.because?.mention ?? '';
  const named =
    mention.type === 'allergen' || (because.startsWith('lexicon:') && !because.includes('model:'));
  return last > low ? { index, first: low, last, type, named, hits: [] } : undefined;
}

/** Items of a list stay under the line above it that ended in a colon; so do words on the same line. */
function continuesList(
  sentence: Sentence,
  previous: Sentence | undefined,
  sections: readonly Section[],
  text: string,
): boolean {
  if (!previous || previous.section !== sentence.section) return false;
  const body = sections[sentence.section]?.bodyStart ?? 0;
  if (previous.end <= body && sections[sentence.section]?.kind !== 'other') return false;
  if (sentence.listItem) return !text.slice(previous.end, sentence.start).includes('\n\n\n');
  return !text.slice(previous.end, sentence.start).includes('\n') && text[previous.end - 1] === ':';
}

function carriedBy(clauses: Clauses): Carried {
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

function applyCues(clauses: Clauses, targets: readonly Target[], carried: Carried): void {
  for (const cue of clauses.cues) {
    // `VS 98.2 110/70` are vital signs.
    if (cue.text === 'vs' && cue.first === clauses.first) continue;
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
        if (target.last <= cue.last && row.scope === 'after') continue;
        if (row.scope === 'before' && target.last > cue.first) continue;
        if (row.adjacent && !touches(clauses.tokens, cue, target)) continue;
        const distance = row.scope === 'after' ? target.first - cue.last : cue.first - target.last;
        target.hits.push({ row, text: cue.text, distance, cue });
      }
    }
  }
  holdFor(clauses, targets);
  ifThen(clauses, targets);
  for (const { row, text } of carried) {
    for (const target of targets) {
      if (row.types && !speaksOf(row, target)) continue;
      target.hits.push({ row, text, distance: CARRIED_DISTANCE });
    }
  }
}

/** Rows of allergens reach drugs, too: which of them a word is, is decided afterwards. */
function speaksOf({ types }: CueRow, target: Target): boolean {
  return types!.includes(target.type) || (target.type === 'medication' && types![0] === 'allergen');
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
      if (norm === ',' ? !startsCondition(tokens, cue.first, first) : norm !== 'then') continue;
      if (UNTIL.has(tokens[i - 1]!.norm)) break;
      target.hits.push({ row: IF_THEN, text: 'if then', distance: target.first - cue.last, cue });
      break;
    }
  }
}

const UNTIL = new Set(['until', 'since', 'by', 'till', 'before']);

/** Whether `if` opens its sentence or clause: what comes before it is not made of it. */
function startsCondition(tokens: readonly Token[], at: number, first: number): boolean {
  return at === first || /^(?:[:,;–-]|and|but|\.)$/.test(tokens[at - 1]!.norm);
}

const THEN_REACH = 5;

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
  if (back.length === 0 || back.length === rows.length || cue.text.startsWith('v')) return 'both';
  const before = clauses.tokens[cue.first - 1]?.norm;
  const after = clauses.tokens[cue.last]?.norm;
  // `AKI, resolved` has nothing behind it to speak of.
  const ends = cue.last >= clauses.last || after === '.' || after === ';' || after === ')';
  if (before === ',' && ends) return 'both';
  if (cue.first === clauses.first || before === ',' || before === 'and' || before === 'then') return 'after';
  const near = targets.some((target) => {
    if (target.last > cue.first || cue.first - target.last > 2) return false;
    if (!back.some((row) => !row.types || row.types.includes(target.type))) return false;
    for (let i = target.last; i < cue.first; i++) if (clauses.starts[i + 1 - clauses.first]) return false;
    return true;
  });
  return near ? 'before' : 'both';
}

function touches(tokens: readonly Token[], cue: Cue, target: Target): boolean {
  return cue.last <= target.first
    ? tokens[cue.last - 1]!.end === tokens[target.first]!.start
    : tokens[target.last - 1]!.end === tokens[cue.first]!.start;
}

interface Surroundings {
  readonly section: Section | undefined;
  readonly person: PersonRow | undefined;
  readonly question: boolean;
  readonly box: 'checked' | 'unchecked' | undefined;
  readonly signs: Signs | undefined;
  readonly answer: Answer | undefined;
  readonly placeholder: boolean;
  readonly allergen: boolean;
  /** The question of a leaflet stands above: what follows explains, and tells of nobody. */
  readonly taught: boolean;
  readonly tokens: readonly Token[];
}

const SIGN = /^(?:\( - \)|\[ - \]|-)$/;
const ACTS = new Set<MentionType>(['medication', 'procedure', 'test', 'vaccine', 'device']);
const REPORTS_DEEDS = new Set(['procedures', 'operative-details', 'past-surgical-history']);
const DRUG_CUES = new Set(['negated', 'current', 'planned', 'past']);
/** `No known allergies`, `NKDA`; norvasc and nilotinib are drugs. */
const NO_ALLERGIES = /^(?:no|nk(?:d?a)|nil)\b/i;
const FINDINGS = new Set<MentionType>(['diagnosis', 'symptom']);

function decide(mention: Mention, target: Target, around: Surroundings): Mention {
  let reason = '';
  const why = (cue: string) => {
    reason = reason === '' ? cue : `${reason} ${cue}`;
  };
  const act = ACTS.has(target.type);
  const kind = around.section?.kind ?? 'none';
  const allergenic = around.allergen || kind === 'allergies' || mention.type === 'allergen';
  const hits = target.hits.filter(
    ({ row }) =>
      // What the report of an operation names was done, not planned: `OPERATION: Repeat C-section`.
      (row.effect !== 'planned' || !REPORTS_DEEDS.has(kind)) && (row.types?.[0] !== 'allergen' || allergenic),
  );
  const of = (effect: string) => nearest(hits, effect);
  const doing = act ? nearestAct(hits) : undefined;

  let polarity: Assertion['polarity'] = 'affirmed';
  const sign = around.signs?.of(target.first, target.last);
  const bySign = sign !== undefined || around.signs?.behind === true;
  const negated = bySign
    ? nearest(
        hits.filter(({ text }) => !SIGN.test(text)),
        'negated',
      )
    : (of('negated') ?? of('family+negated'));
  // `Diabetes? Y` asks and answers.
  const possible = around.answer === 'yes' ? undefined : of('possible');
  if (sign === '-' || (around.answer === 'no' && around.box === undefined)) {
    polarity = 'negated';
    why(sign ? 'sign:-' : 'answer:no');
  } else if (negated && !isMeasuredShare(target, negated, around.tokens)) {
    polarity = 'negated';
    why(`cue:${negated.text}`);
  } else if (possible) {
    polarity = 'possible';
    why(`cue:${possible.text}`);
  }
  const title = around.section ? exactTitle(around.section.title)?.default : undefined;
  if (polarity === 'affirmed' && title === 'possible' && FINDINGS.has(target.type)) {
    polarity = 'possible';
    why(`section:${kind}`);
  }

  let experiencer: Assertion['experiencer'] = 'patient';
  const family = of('family') ?? of('family+negated');
  if (around.person) {
    experiencer = around.person.who;
    why(`person:${around.person.word}`);
  } else if (family) {
    experiencer = 'family';
    why(`cue:${family.text}`);
  } else if (kind === 'family-history' && !namesPatient(target, around.tokens)) {
    experiencer = 'family';
    why('section:family-history');
  }

  let temporality: Assertion['temporality'] = 'current';
  const conditional = of('conditional');
  const hypothetical = of('hypothetical');
  const past = of('past');
  const attributes: Attribute[] = [...mention.attributes];
  if (around.box === 'unchecked' || around.question || around.answer === 'open' || around.placeholder) {
    temporality = 'hypothetical';
    why(around.question ? 'question' : around.placeholder ? 'placeholder' : 'box:unchecked');
  } else if (around.taught || title === 'hypothetical') {
    temporality = 'hypothetical';
    why(around.taught ? 'education' : `section:${around.section!.title}`);
  } else if (hypothetical) {
    temporality = 'hypothetical';
    why(`cue:${hypothetical.text}`);
  } else if (conditional) {
    temporality = 'conditional';
    why(`cue:${conditional.text}`);
  } else if (doing && doing.row.effect !== 'current') {
    if (doing.row.effect === 'planned' || doing.row.effect === 'past') {
      temporality = doing.row.effect;
      why(`cue:${doing.text}`);
      if (doing.row.because === 'stopped') {
        const status = stopAttribute(doing, around.tokens);
        if (status) attributes.push(status);
        why('stopped');
      }
    }
  } else if (act && !doing && plannedBySection(kind, title, target, around.tokens)) {
    temporality = 'planned';
    why(`section:${kind}`);
  } else if (FINDINGS.has(target.type) && kind === 'instructions') {
    temporality = 'hypothetical';
    why('section:instructions');
  } else if (!act && past) {
    temporality = 'past';
    why(`cue:${past.text}`);
  } else if (
    !doing &&
    (kind === 'past-medical-history' || kind === 'past-surgical-history' || title === 'past')
  ) {
    temporality = 'past';
    why(`section:${kind}`);
  }

  if (title === 'stopped' && mention.type === 'medication' && temporality === 'current' && around.section) {
    const { start, title: text } = around.section;
    temporality = 'past';
    attributes.push({ type: 'status', start, end: start + text.length, text, normalized: 'stop' });
    why('section:stopped');
  }

  let type = mention.type;
  if (target.type === 'medication') {
    const taken = target.hits.some(({ row }) => DRUG_CUES.has(row.effect) && row.types);
    const isAllergen = around.allergen || (!taken && (kind === 'allergies' || type === 'allergen'));
    if (isAllergen && type === 'medication') why('allergen');
    // `Allergies: penicillin. He is not prescribed Advil.`
    type = isAllergen || NO_ALLERGIES.test(mention.text) ? 'allergen' : 'medication';
    // Nobody plans an allergy: `Plan: ... NKDA`.
    if (type === 'allergen' && temporality === 'planned') temporality = 'current';
  }
  return {
    ...mention,
    type,
    attributes,
    assertion: { polarity, temporality, experiencer },
    because: { ...mention.because, assertion: reason === '' ? 'default' : reason },
  };
}

/** `Father: MI. Pt: asthma` within a family history. */
function namesPatient({ first }: Target, tokens: readonly Token[]): boolean {
  for (let i = first - 1; i >= Math.max(0, first - PATIENT_REACH); i--) {
    const { norm } = tokens[i]!;
    if (norm === '.' || norm === ';') return false;
    if (norm === ':' && i > 0) return /^(?:pt|patient|self|proband|personally)$/.test(tokens[i - 1]!.norm);
  }
  return false;
}

const PATIENT_REACH = 12;

/** `RCA free of disease, LAD with 70% stenosis`: what was measured is there; but `no 70% stenosis`. */
function isMeasuredShare({ first }: Target, negation: Hit, tokens: readonly Token[]): boolean {
  if (negation.distance <= SHARE_MIN_DISTANCE || negation.row.scope !== 'after') return false;
  for (let i = first - 1; i >= first - 3; i--)
    if (tokens[i]?.norm === '%' || /^\d+%$/.test(tokens[i]?.norm ?? '')) return true;
  return false;
}

const SHARE_MIN_DISTANCE = 3;

function nearest(hits: readonly Hit[], effect: string): Hit | undefined {
  let best: Hit | undefined;
  for (const hit of hits) {
    if (hit.row.effect === effect && (!best || hit.distance < best.distance)) best = hit;
  }
  return best;
}

/** What is being done with a drug or a procedure: of several such cues the nearest speaks. */
function nearestAct(hits: readonly Hit[]): Hit | undefined {
  let best: Hit | undefined;
  for (const hit of hits) {
    const effect = hit.row.effect;
    if (effect !== 'current' && effect !== 'planned' && effect !== 'past') continue;
    const nearer = !best || hit.distance < best.distance;
    // `her home glyburide was held`: as near, but the other says more.
    if (nearer || (hit.distance === best!.distance && best!.row.effect === 'current')) best = hit;
  }
  // `was started but he stopped it`: what comes later counts.
  if (best?.row.effect === 'current' && best.row.scope === 'before') {
    const later = hits.find(
      ({ row, cue }) =>
        row.because === 'stopped' && row.scope === 'before' && cue && best?.cue && cue.first > best.cue.first,
    );
    if (later) return later;
  }
  // `he prefers ibuprofen, which he takes daily`
  if (best?.row.effect === 'planned' && best.row.scope === 'after')
    best = hits.find(({ row, text }) => row.effect === 'current' && /^(?:which|that)\b/.test(text)) ?? best;
  // `discuss starting a statin`: what is only thought of does not begin.
  if (best?.cue && best.row.effect === 'current' && BEGINNINGS.test(best.text)) {
    const from = best.cue.first;
    const thought = hits.find(
      ({ row, cue }) =>
        row.effect === 'planned' && row.scope === 'after' && cue && cue.last <= from && from - cue.last <= 2,
    );
    return thought ?? best;
  }
  return best;
}

const BEGINNINGS = /^(?:start|begin|initiat|add|tak|us|giv|treat|receiv|switch|chang|on\b)/;

/** In a plan, what is merely named is planned; a drug with a dose beside it is being taken. */
function plannedBySection(
  kind: string,
  title: string | undefined,
  target: Target,
  tokens: readonly Token[],
): boolean {
  if (title === 'planned') return true;
  if (kind !== 'plan' && kind !== 'assessment-and-plan' && kind !== 'follow-up') return false;
  if (target.type !== 'medication' && target.type !== 'vaccine') return true;
  for (let i = target.last; i < target.last + 3; i++) {
    if (tokens[i] && /^\d/.test(tokens[i]!.norm)) return false;
  }
  return kind !== 'assessment-and-plan';
}

function stopAttribute(hit: Hit, tokens: readonly Token[]): Attribute | undefined {
  if (!hit.cue) return undefined;
  const start = tokens[hit.cue.first]!.start;
  const end = tokens[hit.cue.last - 1]!.end;
  return {
    type: 'status',
    start,
    end,
    text: hit.text,
    normalized: /\bh[eo]ld/.test(hit.text) ? 'hold' : 'stop',
  };
}

const ASKING = new Set(
  'do does did is are was were has have had any can could should will would what when where which who why how'.split(
    ' ',
  ),
);

function isQuestion(tokens: readonly Token[], sentence: Sentence): boolean {
  if (tokens[sentence.lastToken - 1]!.norm !== '?') return false;
  for (let i = sentence.firstToken; i < Math.min(sentence.lastToken, sentence.firstToken + 3); i++) {
    if (ASKING.has(tokens[i]!.norm)) return true;
  }
  return false;
}

/** `What is gout?`, `How is asthma treated?` head an explanation. */
function teaches(tokens: readonly Token[], { firstToken }: Sentence): boolean {
  const [ask, verb] = [tokens[firstToken]!.norm, tokens[firstToken + 1]?.norm ?? ''];
  return (
    (ask === 'what' && /^(?:is|are|causes|cause|happens)$/.test(verb)) ||
    (ask === 'how' && /^(?:is|are|do|does|can|common)$/.test(verb)) ||
    (ask === 'who' && /^(?:gets|is|can)$/.test(verb)) ||
    (ask === 'why' && /^(?:is|are|do)$/.test(verb))
  );
}

function startsWithPronounOf(tokens: readonly Token[], sentence: Sentence, person: PersonRow): boolean {
  const word = tokens[sentence.firstToken]?.norm;
  if (word === 'he' || word === 'his') return person.gender === 'male';
  if (word === 'she' || word === 'her') return person.gender === 'female';
  return word === 'they' && person.gender === undefined;
}
