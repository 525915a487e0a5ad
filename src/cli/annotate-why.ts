import type { Mention } from '../../nlp/model.js';

/** What the gate's rules say to a reader; of a rule that is not here, its own words are shown. */
const REFUSALS: Readonly<Record<string, string>> = {
  negated: 'it is denied',
  uncertain: 'it is not certain',
  family: 'it is a relative who has it',
  'other-person': 'it is somebody else who has it',
  hypothetical: 'it is only spoken of',
  conditional: 'it would be so only on a condition',
  planned: 'it is planned, not done',
  'low-score': 'the recogniser is not sure enough',
  'not-a-fact': 'the words name something else here',
  'allergy-list': 'it is listed with the allergies',
  reaction: 'it is the reaction to an allergen',
  phi: 'it is personal data',
  header: 'it is part of a heading',
  level: 'it is a level in the blood, not a drug taken',
  threshold: 'it is a limit, not a result',
  susceptibility: 'it is what a germ resists',
  social: 'the words alone say nothing of its use',
};

/**
 * What decided each step for a mention, as sentences a clinician can read: how it was found, what the text says of it,
 * where its code is from, and why it is or is not taken as a fact. Empty where the mention gives no reasons.
 */
export function whyOf(mention: Mention): string[] {
  const { because } = mention;
  if (!because) return [];
  const lines: string[] = [];
  for (const [step, rule] of Object.entries(because)) {
    if (step === 'mention') lines.push(`found: ${foundBy(rule)}`);
    else if (step === 'category') lines.push(`${mention.category ?? step}: ${categorisedBy(rule)}`);
    else if (step === 'assertion') lines.push(`read as ${readAs(mention)}: ${saidBy(rule)}`);
    else if (step === 'code') lines.push(`code: ${codedBy(rule)}`);
    else if (step === 'gate')
      lines.push(mention.accepted ? 'taken as a fact' : `no fact: ${refusedBy(rule)}`);
    else lines.push(`${step}: ${rule}`);
  }
  if (because.code === undefined && because.gate === 'accepted')
    lines.splice(-1, 0, 'code: none that the words support');
  return lines;
}

function foundBy(rule: string): string {
  const entry = /lexicon:(\d+)(?: for ([^,]+))?/.exec(rule);
  const parts: string[] = [];
  if (entry) parts.push(`entry ${entry[1]} of the lexicon${entry[2] ? `, read as "${entry[2]}"` : ''}`);
  if (rule.includes('model:'))
    parts.push(entry ? 'and the trained recogniser' : 'the trained recogniser alone');
  return parts.length > 0 ? parts.join(' ') : rule;
}

function categorisedBy(rule: string): string {
  const word = /^words:(.+)$/.exec(rule);
  if (word) return `"${word[1]}"`;
  const named = /^lexicon:(\d+) (.+)$/.exec(rule);
  if (named) return `"${named[2]}" in the official name of entry ${named[1]} of the lexicon`;
  if (rule === 'type:test') return 'a test';
  return rule === 'model:clinical' ? 'the trained recogniser' : rule;
}

function readAs({ assertion }: Mention): string {
  const { polarity, temporality, experiencer } = assertion;
  const whose =
    experiencer === 'patient' ? '' : experiencer === 'family' ? ', of a relative' : ', of somebody else';
  return `${polarity}, ${temporality}${whose}`;
}

/** Where one reason ends and the next begins: `cue:no cue:since`, `cue:stopped stopped`. */
const NEXT_REASON =
  / (?=(?:cue|section|person|sign|answer|box|question|placeholder)\b:?|(?:education|year|allergen|stopped)$)/;

function saidBy(rule: string): string {
  if (rule === 'default') return 'nothing beside it says otherwise';
  return rule.split(NEXT_REASON).map(reason).filter(Boolean).join('; ');
}

function reason(part: string): string {
  const colon = part.indexOf(':');
  const [kind, words] = colon < 0 ? [part, ''] : [part.slice(0, colon), part.slice(colon + 1)];
  switch (kind) {
    case 'cue':
      return `"${words}"`;
    case 'section':
      return `it stands under "${words.replaceAll('-', ' ')}"`;
    case 'person':
      return `said of "${words}"`;
    case 'sign':
      return `the sign "${words}"`;
    case 'answer':
      return `the form answers "${words}"`;
    case 'box':
      return 'its box is not ticked';
    case 'question':
      return 'it is asked';
    case 'placeholder':
      return 'it is a choice of a template';
    case 'education':
      return 'it stands in an explanation';
    case 'year':
      return 'a year long gone stands beside it';
    case 'allergen':
      return 'named as an allergen';
    case 'stopped':
      return '';
    default:
      return part;
  }
}

function codedBy(rule: string): string {
  const entry = /^lexicon:(\d+)(?: for (.+))?$/.exec(rule);
  if (entry) return `of entry ${entry[1]} of the lexicon${entry[2] ? `, read as "${entry[2]}"` : ''}`;
  const product = /^product:(.+)$/.exec(rule);
  return product ? `the product of this strength and form (${product[1]})` : rule;
}

function refusedBy(rule: string): string {
  const beside = /^beside:(.+)$/.exec(rule);
  if (beside) return `"${beside[1]}" beside it makes something else of it`;
  return REFUSALS[rule] ?? rule;
}
