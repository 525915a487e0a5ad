import type { AnnotatedText, Attribute, Mention, Section, Sentence, Token } from '../model.js';
import type { NlpStage } from '../pipeline.js';
import { findAllergens } from './allergens.js';
import { readClauses } from './clauses.js';
import { takeBackEarlier } from './corrections.js';
import type { Cue } from './cues.js';
import { decide } from './decide.js';
import {
  afterPlaceholder,
  answerAfter,
  blankBefore,
  boxOf,
  insidePlaceholder,
  readSigns,
  replyAfter,
} from './forms.js';
import { genderOfPatient } from './gender.js';
import { findPeople, MOTHER, NEWBORN } from './people.js';
import { lastNamed, type PersonRow, subjectOf } from './persons.js';
import { applyCues, carriedBy } from './reach.js';
import { ofPronoun } from './selves.js';
import type { Carried, Target } from './target.js';

/** Stage `assertion`: whether each mention is so, when, and of whom. */
export const assertion: NlpStage = {
  name: 'assertion',
  needs: ['sections', 'sentences', 'tokens', 'mentions'],
  adds: ['mentions.assertion'],
  run(input) {
    return { ...input, mentions: assertMentions(input) };
  },
};

/** The mentions with their assertions, in the order given. Linear in the length of the text. */
export function assertMentions(input: AnnotatedText): Mention[] {
  const { mentions, sentences, tokens, sections } = input;
  const result: Mention[] = [...mentions];
  const order = mentions.map((_, index) => index).sort((a, b) => mentions[a]!.start - mentions[b]!.start);
  let next = 0;
  let carried: Carried = [];
  let about: PersonRow | undefined;
  let taughtIn = -1;
  const braces = input.text.includes('{');
  const ofNewborn = NEWBORN.test(input.text);
  const ofMother = !ofNewborn && MOTHER.test(input.text);
  const gender = genderOfPatient(input.text);
  let named: { row: PersonRow; sentence: number } | undefined;
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
              gender,
              ofMother,
            ).filter(
              // `victim of intimate partner abuse`: a person in a name is not the one of whom the rest is said.
              ({ word }) => !targets.some(({ named, first, last }) => named && word >= first && word < last),
            )
          : [];
      const hers =
        named && gender && s - named.sentence <= NAMED_REACH
          ? ofPronoun(tokens, sentence.firstToken, sentence.lastToken, named.row, gender)
          : undefined;
      if (hers) people.push(hers);
      const pronoun = about !== undefined && startsWithPronounOf(tokens, sentence, about) ? about : undefined;
      // `Uses CPAP? No.`: what is answered was asked.
      const reply =
        tokens[sentence.lastToken - 1]!.norm === '?' && !ENDING.test(tokens[sentence.firstToken]!.norm)
          ? replyAfter(input.text, sentence.end)
          : undefined;
      const question = !reply && isQuestion(tokens, sentence);
      if (question && targets.length > 0 && teaches(tokens, sentence)) taughtIn = sentence.section;
      const taught = taughtIn === sentence.section && !question;
      const box = boxOf(tokens, sentence);
      const signs = targets.length > 0 ? readSigns(tokens, sentence, targets[0]!.first) : undefined;
      for (const target of targets) {
        const person =
          people.find((scope) => target.first >= scope.from && target.last <= scope.to)?.row ??
          (OF_PATIENT_ONLY.has(target.type) && pronoun?.gender !== undefined ? undefined : pronoun);
        const mention = mentions[target.index]!;
        result[target.index] = decide(mention, target, {
          section,
          person,
          question,
          box: blankBefore(tokens, target.first) ? 'unchecked' : box,
          signs,
          answer: reply ?? answerAfter(input.text, mention.end),
          placeholder:
            afterPlaceholder(input.text, mention.start) ||
            (braces && insidePlaceholder(input.text, mention.start)),
          taught,
          allergen:
            allergens![target.first - sentence.firstToken] === 1 && !isSupposed(clauses.cues, target.first),
          text: input.text,
          tokens,
        });
      }
      if (colon) carried = carriedBy(clauses);
    }
    if (gender) {
      const row = lastNamed(tokens, sentence.firstToken, sentence.lastToken);
      if (row) named = { row, sentence: s };
    }
    about =
      subjectOf(tokens, sentence.firstToken, sentence.lastToken) ??
      (about && startsWithPronounOf(tokens, sentence, about) ? about : undefined);
  });
  stopEarlier(result, order);
  takeBackEarlier(input.text, result, order);
  return result;
}

/** `Hold Plaquenil? No - continue.` */
const ENDING = /^(?:hold|stop|discontinue|omit|withhold|d\/c)$/;
/** How many sentences after a person was named a pronoun may still mean them. */
const NAMED_REACH = 2;
/** `Her sister has lupus. She had the flu jab`: what a note records of patients alone. */
const OF_PATIENT_ONLY = new Set(['vaccine', 'test', 'vital-sign']);

/** `If a rash on lamotrigine develops`: nobody is allergic yet. */
function isSupposed(cues: readonly Cue[], before: number): boolean {
  return cues.some(
    ({ first, rows }) => first < before && rows.some(({ effect }) => effect === 'conditional'),
  );
}

const STOPS =
  /^cue:(?:stop|discontinu|d\/c|dc|ceas|de - escalated|deescalated|weaned off|now off|is off|quit)/;

/** `Meds: Bactrim. … Stop Bactrim.`: what the end of a note stops is not going on where its start merely names it. */
function stopEarlier(mentions: Mention[], order: readonly number[]): void {
  const said = new Map<string, Attribute | undefined>();
  for (let k = order.length - 1; k >= 0; k--) {
    const mention = mentions[order[k]!]!;
    if (mention.type !== 'medication' || mention.assertion.polarity !== 'affirmed') continue;
    const name = mention.text.toLowerCase();
    const why = mention.because?.assertion ?? '';
    const stop = mention.attributes.find(
      ({ type, normalized }) => type === 'status' && normalized === 'stop',
    );
    if (!said.has(name)) said.set(name, stop && STOPS.test(why) ? stop : undefined);
    const later = said.get(name);
    if (!later || later === stop || (why !== 'default' && why !== 'cue:on')) continue;
    mentions[order[k]!] = {
      ...mention,
      attributes: [...mention.attributes, later],
      assertion: { ...mention.assertion, temporality: 'past' },
      because: { ...mention.because, assertion: 'stopped later in the note stopped' },
    };
  }
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

const ASKING = new Set(
  'do does did is are was were has have had any can could should will would what when where which who why how'.split(
    ' ',
  ),
);

function endsInStop(tokens: readonly Token[], { lastToken }: Sentence): boolean {
  return tokens[lastToken - 1]!.norm === '.';
}

function isQuestion(tokens: readonly Token[], sentence: Sentence): boolean {
  const [end, slash, start] = [1, 2, 3].map(
    (k) => tokens[sentence.lastToken - k - (endsInStop(tokens, sentence) ? 1 : 0)]?.norm,
  );
  // `Retinopathy Y/N.`: nothing is chosen.
  if (slash === '/' && (`${start}${end}` === 'yn' || `${start}${end}` === 'yesno')) return true;
  if (tokens[sentence.lastToken - 1]!.norm !== '?') return false;
  for (let i = sentence.firstToken; i < sentence.lastToken; i++) {
    // `MD to RN: is she still on heparin?`
    const opens = i < sentence.firstToken + 3 || tokens[i - 1]!.norm === ':';
    if (opens && ASKING.has(tokens[i]!.norm)) return true;
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
