import { defaultOfTitle, type SectionDefault } from '../1-segment/titles.js';
import type { Assertion, Attribute, Mention, Section, Token } from '../model.js';
import {
  isDosed,
  nearest,
  nearestAct,
  plannedBySection,
  stopAttribute,
  takenInYear,
  WHICH,
} from './deeds.js';
import type { Answer, Signs } from './forms.js';
import { type PersonRow, personOfTitle } from './persons.js';
import { ACTS, FINDINGS, type Hit, type Target } from './target.js';

/** What stands around a mention besides cues. */
export interface Surroundings {
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
  /** The whole note. */
  readonly text: string;
  readonly tokens: readonly Token[];
}

const SIGN = /^(?:\( - \)|\[ - \]|-)$/;
const REPORTS_DEEDS = new Set(['procedures', 'operative-details', 'past-surgical-history']);
const DRUG_CUES = new Set(['negated', 'current', 'planned', 'past']);
/** `No known allergies`, `NKDA`; norvasc and nilotinib are drugs. */
const NO_ALLERGIES = /^(?:no|nk(?:d?a)|nil)\b/i;

/** Weighs the cues that reach a mention and what stands around it; `because.assertion` says what decided. */
export function decide(mention: Mention, target: Target, around: Surroundings): Mention {
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
  const { title, owner } = titleOf(around.section);
  if (polarity === 'affirmed' && title === 'possible' && FINDINGS.has(target.type)) {
    polarity = 'possible';
    why(`section:${kind}`);
  }

  let experiencer: Assertion['experiencer'] = 'patient';
  const family = of('family') ?? of('family+negated');
  const person = around.person ?? (owner && !namesPatient(target, around.tokens) ? owner : undefined);
  if (person) {
    experiencer = person.who;
    why(`person:${person.word}`);
  } else if (family) {
    experiencer = 'family';
    why(`cue:${family.text}`);
  } else if (kind === 'family-history' && !namesPatient(target, around.tokens)) {
    experiencer = 'family';
    why('section:family-history');
  }

  let temporality: Assertion['temporality'] = 'current';
  // `if no response to duloxetine, which was started last week`
  const told = doing?.row.effect === 'current' && WHICH.test(doing.text);
  const conditional = told ? undefined : of('conditional');
  const hypothetical = told ? undefined : of('hypothetical');
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
        const status = stopAttribute(doing, around.tokens, around.text);
        if (status) attributes.push(status);
        why('stopped');
      }
    }
  } else if (
    target.type === 'medication' &&
    (!doing || doing.text === 'on') &&
    takenInYear(target, around.tokens)
  ) {
    temporality = 'past';
    why('year');
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
    const dosed = kind !== 'allergies' && isDosed(target, around.tokens);
    const isAllergen =
      (around.allergen && !dosed) || (!taken && !dosed && (kind === 'allergies' || type === 'allergen'));
    if (isAllergen && (type === 'medication' || around.allergen)) why('allergen');
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

/** `Meds on file but not taking:` is no known title; what it says of its list holds all the same. */
function defaultByWords(title: string): 'stopped' | undefined {
  return /\b(?:not (?:currently )?(?:taking|using|taken)|no longer (?:taking|taken|on)|never (?:taken|filled|started))\b/i.test(
    title,
  )
    ? 'stopped'
    : undefined;
}

interface TitleSays {
  readonly title?: SectionDefault;
  /** A title may name another person: `PMH (mother): …`; a family history has rules of its own. */
  readonly owner?: PersonRow;
}

const NOTHING: TitleSays = {};
const told = new WeakMap<Section, TitleSays>();

/** What the title of a section says of all that stands under it; looked up once for each section. */
function titleOf(section: Section | undefined): TitleSays {
  if (!section || section.title === '') return NOTHING;
  let says = told.get(section);
  if (!says) {
    says = {
      title: defaultOfTitle(section.title) ?? defaultByWords(section.title),
      owner: section.kind === 'family-history' ? undefined : personOfTitle(section.title),
    };
    told.set(section, says);
  }
  return says;
}

/** `Father: MI. Pt: asthma` within a family history. */
function namesPatient({ first }: Target, tokens: readonly Token[]): boolean {
  for (let i = first - 1; i >= Math.max(0, first - PATIENT_REACH); i--) {
    const { norm } = tokens[i]!;
    if (norm === '.' || norm === ';') return false;
    if (norm === ':' && i > 0)
      return /^(?:pt|patient|self|proband|personally|infant|baby|newborn|recipient)$/.test(
        tokens[i - 1]!.norm,
      );
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
