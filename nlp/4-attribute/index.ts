import type { AnnotatedText, Attribute, Mention, Section } from '../model.js';
import type { NlpStage } from '../pipeline.js';
import { qualifiersOf, reactionsOf, relativeOf } from './clinical.js';
import { dateOrderOf } from './date-order.js';
import { attachDates, titleDate } from './dating.js';
import { type Reviser, shippedReviser } from './directions.js';
import { attachSignatures, signatureRegions } from './signature.js';
import { amountOfUse } from './substance.js';
import { resultOf } from './values.js';

const QUALIFIED = new Set(['diagnosis', 'symptom', 'procedure', 'device']);
/** How far behind a substance its amount may stand, in characters. */
const USE_REACH = 60;
const MEASURED = new Set(['test', 'vital-sign']);

/**
 * Stage `attribute`: what the note says of each mention. Medications get strength, dose, form, route, frequency,
 * duration, reason, status and "as needed"; findings side, severity, acuity and site; tests their value; family
 * findings who; allergens the reaction; all of them their date.
 */
export const attributeStage: NlpStage = {
  name: 'attribute',
  needs: ['sections', 'sentences', 'tokens', 'mentions', 'mentions.assertion'],
  adds: ['mentions.attributes'],
  run: (input) => ({ ...input, mentions: withAttributes(input) }),
};

/** The end of the sentence, or of the line where the substance is its title: "Alcohol: 20 units/week". */
function endOfUse(text: string, mention: Mention, end: number): number {
  if (!/^\s*:\s*$/.test(text.slice(mention.end, end))) return end;
  const line = text.indexOf('\n', end);
  return line < 0 ? text.length : line;
}

const REASON_TYPES = new Set(['diagnosis', 'symptom']);
const REASON_REACH = 40;
/** How many mentions back the drug may stand: endless lists stay linear. */
const REASON_NEIGHBOURS = 8;
const FOR_REACH = 24;
const FOR_NEAR = /\bfor\s/i;
const FOR =
  /^[\s,(]*(?:(?:taken|used|given|started|prescribed|indicated|which (?:she|he|the patient) takes)\s)?for\s(?:(?:the|a|an|his|her|their|my|management of|treatment of|presumed|known|control of|acute|chronic|severe|mild|moderate|recurrent|possible|prevention of)\s)*$/i;

/** The medication that "for …" before this finding speaks of: "prazosin 2 mg at bedtime for nightmares". */
function treatedWith(
  text: string,
  finding: Mention,
  inside: readonly number[],
  place: number,
  mentions: readonly Mention[],
  result: ReadonlyMap<number, readonly Attribute[]>,
): number | undefined {
  if (!FOR_NEAR.test(text.slice(Math.max(0, finding.start - FOR_REACH), finding.start))) return undefined;
  let index: number | undefined;
  for (let at = place - 1; at >= Math.max(0, place - REASON_NEIGHBOURS) && index === undefined; at--)
    if (mentions[inside[at]!]!.type === 'medication') index = inside[at];
  if (index === undefined) return undefined;
  const known = result.get(index) ?? [];
  if (known.some(({ type }) => type === 'reason')) return undefined;
  const end = known.reduce(
    (last, each) => (each.end <= finding.start ? Math.max(last, each.end) : last),
    mentions[index]!.end,
  );
  return finding.start - end <= REASON_REACH && FOR.test(text.slice(end, finding.start)) ? index : undefined;
}

function reasonOf({ text, start, end }: Mention): Attribute {
  return { type: 'reason', text, start, end };
}

/**
 * The mentions with their attributes, each list in order of place.
 * @param revise puts right what the rules say of medications: by the shipped model, unless an evaluation brings another.
 */
export function withAttributes(input: AnnotatedText, revise: Reviser = shippedReviser()): Mention[] {
  const { text, sentences, tokens, mentions } = input;
  // "Anaphylaxis to intravenous cyclosporine" says how it was given; a list of allergies says nothing of it.
  const isDrug = (mention: Mention): boolean =>
    mention.type === 'medication' ||
    mention.type === 'vaccine' ||
    (mention.type === 'allergen' && input.sections[mention.section ?? -1]?.kind !== 'allergies');
  const result = attachSignatures(
    text,
    mentions,
    signatureRegions(text, sentences, tokens, mentions, isDrug),
    tokens,
    revise,
  );
  const give = (index: number, attribute: Attribute): void => {
    const list = result.get(index);
    if (list) list.push(attribute);
    else result.set(index, [attribute]);
  };
  const order = dateOrderOf(text, input.context.date);
  const titleDates = new Map<Section, Attribute | undefined>();
  const titleDateOf = (section: Section): Attribute | undefined => {
    if (!titleDates.has(section))
      titleDates.set(section, titleDate(text, section, input.context.date, order));
    return titleDates.get(section);
  };
  let at = 0;
  for (const sentence of sentences) {
    if (sentence.lastToken <= sentence.firstToken) continue;
    const start = tokens[sentence.firstToken]!.start;
    const end = tokens[sentence.lastToken - 1]!.end;
    const inside: number[] = [];
    while (at < mentions.length && mentions[at]!.start < end) {
      if (mentions[at]!.start >= start) inside.push(at);
      at++;
    }
    if (inside.length === 0) continue;
    attachDates(text, start, end, inside, mentions, input.context.date, order, result);
    const section = input.sections[sentence.section];
    const allergies = section?.kind === 'allergies';
    const dated = section && titleDateOf(section);
    for (const [place, index] of inside.entries()) {
      const mention = mentions[index]!;
      const from = place === 0 ? start : mentions[inside[place - 1]!]!.end;
      const to = place + 1 < inside.length ? mentions[inside[place + 1]!]!.start : end;
      if (QUALIFIED.has(mention.type))
        for (const each of qualifiersOf(text, mention, from, to)) give(index, each);
      if (MEASURED.has(mention.type)) {
        for (const each of resultOf(text, mention, Math.max(to, mention.end))) give(index, each);
        if (dated && !result.get(index)?.some(({ type }) => type === 'date')) give(index, dated);
      }
      if (mention.type === 'social') {
        // "1 ppd" may be taken for a test: only another substance ends what is said of this one.
        const social = (at: number | undefined) => at !== undefined && mentions[at]!.type === 'social';
        const next = inside.slice(place + 1).find(social);
        const until = next === undefined ? endOfUse(text, mention, end) : mentions[next]!.start;
        const since = inside.slice(0, place).some(social) ? mention.start : start;
        for (const each of amountOfUse(text, mention, since, Math.min(until, mention.end + USE_REACH)))
          give(index, each);
      }
      if (REASON_TYPES.has(mention.type)) {
        const drug = treatedWith(text, mention, inside, place, mentions, result);
        if (drug !== undefined) give(drug, reasonOf(mention));
      }
      if (mention.assertion.experiencer === 'family') {
        const relative = relativeOf(text, mention, start, end);
        if (relative) give(index, relative);
      }
      if (mention.type === 'allergen' || (allergies && mention.type === 'medication')) {
        const next = inside
          .slice(place + 1)
          .find((other) => mentions[other]!.type === 'allergen' || mentions[other]!.type === 'medication');
        for (const each of reactionsOf(text, mention, next === undefined ? end : mentions[next]!.start))
          give(index, each);
      }
    }
  }
  return mentions.map((mention, index) => {
    const found = result.get(index);
    // The assertion stage says `stop` where its cue does; a status found here is the better one.
    const earlier = mention.attributes.filter(({ type }) => !found?.some((each) => each.type === type));
    const attributes = found && [...earlier, ...found];
    return attributes
      ? { ...mention, attributes: attributes.sort((a, b) => a.start - b.start || a.end - b.end) }
      : mention;
  });
}
