import type { Attribute, AttributeType, Concept, Mention } from '../../nlp/model.js';
import { substanceOf } from './substance.js';

/**
 * One fact of a note: one mention, or several that say the same. The first mention is the one that says most;
 * its words become `text`.
 */
export interface Fact {
  readonly kind: FactKind;
  readonly mentions: readonly Mention[];
  /** Best code (`system|code`) or, without one, the normalised words. */
  readonly key: string;
  /** Attributes of all its mentions, the richest mention's first. */
  readonly attributes: readonly Attribute[];
  readonly concepts: readonly Concept[];
}

export type FactKind =
  | 'medication'
  | 'condition'
  | 'symptom'
  | 'procedure'
  | 'family-history'
  | 'allergy'
  | 'immunization'
  | 'observation'
  | 'social';

/** The attribute types that, when they differ, make two mentions two facts. */
const DISTINGUISHING: Readonly<Record<FactKind, readonly AttributeType[]>> = {
  medication: ['strength', 'dose', 'frequency', 'route', 'status'],
  condition: ['date', 'laterality'],
  symptom: ['date', 'laterality'],
  procedure: ['date', 'laterality'],
  'family-history': ['relative'],
  allergy: [],
  immunization: ['date'],
  observation: ['value', 'date'],
  social: ['value'],
};

/** Which kind of fact a mention can become; undefined for a mention that is none. Accepted mentions only. */
export function factKind(mention: Mention): FactKind | undefined {
  if (mention.assertion.experiencer === 'other') return undefined;
  if (mention.assertion.experiencer === 'family') {
    return mention.type === 'diagnosis' || mention.type === 'symptom' ? 'family-history' : undefined;
  }
  switch (mention.type) {
    case 'medication':
      return 'medication';
    case 'diagnosis':
      return 'condition';
    case 'symptom':
      return 'symptom';
    case 'procedure':
      return 'procedure';
    case 'allergen':
      return 'allergy';
    case 'vaccine':
      return 'immunization';
    case 'social':
      // Homelessness or unemployment is a problem of the patient; what is smoked or drunk is observed.
      return substanceOf(mention.text) === undefined ? 'condition' : 'social';
    case 'test':
    case 'vital-sign':
      // A test that only stands there is no result.
      return mention.attributes.some((a) => a.type === 'value') ? 'observation' : undefined;
    default:
      return undefined;
  }
}

/** The words of a mention as they were read: its whole name, of which the note's mark may be the core. */
export function nameOf(mention: Mention): string {
  return mention.name ?? mention.text;
}

/** Lower case, single spaces, no surrounding punctuation: what words are compared by. */
export function normalizedWords(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s\u00a0]+/g, ' ')
    .replace(/^[\s.,;:()[\]"'-]+|[\s.,;:()[\]"'-]+$/g, '');
}

/** The form in which two attributes are the same: normalised where there is one, else the words. */
function attributeValue(a: Attribute): string {
  return a.normalized ?? normalizedWords(a.text);
}

function valuesOf(attributes: readonly Attribute[], type: AttributeType): string[] {
  return attributes
    .filter((a) => a.type === type)
    .map(attributeValue)
    .sort();
}

function keyOf(mention: Mention): string {
  const best = mention.concepts[0];
  return best ? `${best.system}|${best.code}` : normalizedWords(nameOf(mention));
}

/** Whether `a` names the same thing as `b`: the same best code, one's best among the other's candidates, or the same words. */
function sameThing(a: Mention, b: Mention): boolean {
  if (normalizedWords(nameOf(a)) === normalizedWords(nameOf(b))) return true;
  const bestA = a.concepts[0];
  const bestB = b.concepts[0];
  if (!bestA || !bestB) return false;
  const among = (c: Concept, list: readonly Concept[]) =>
    list.some((x) => x.system === c.system && x.code === c.code);
  return among(bestA, b.concepts.slice(0, 1)) || among(bestB, a.concepts.slice(0, 1));
}

/** No distinguishing attribute contradicts: on each type one of the two is silent or both say the same. */
function compatible(kind: FactKind, a: readonly Attribute[], b: readonly Attribute[]): boolean {
  return DISTINGUISHING[kind].every((type) => {
    const x = valuesOf(a, type);
    const y = valuesOf(b, type);
    return x.length === 0 || y.length === 0 || x.join('\n') === y.join('\n');
  });
}

const richness = (m: Mention): number => m.attributes.length * 4 + m.concepts.length + m.score;

/** Temporality and polarity must agree: a planned procedure and a done one are two facts. */
function sameStanding(a: Mention, b: Mention): boolean {
  const planned = (m: Mention) => m.assertion.temporality === 'planned';
  return a.assertion.polarity === b.assertion.polarity && planned(a) === planned(b);
}

function joinAttributes(mentions: readonly Mention[]): Attribute[] {
  const out: Attribute[] = [];
  for (const m of mentions) {
    for (const a of m.attributes) {
      const value = attributeValue(a);
      // One mention may rightly hold two of a type; another mention only fills what is still missing.
      const held = out.some((o) => o.type === a.type && (m !== mentions[0] || attributeValue(o) === value));
      if (!held) out.push(a);
    }
  }
  return out;
}

/**
 * Groups the accepted mentions of one note into facts, in the order of their first words. Pure and independent of
 * anything but the mentions, so that the same note always gives the same facts.
 */
export function factsOf(mentions: readonly Mention[]): Fact[] {
  const groups: { kind: FactKind; mentions: Mention[] }[] = [];
  for (const mention of mentions) {
    if (!mention.accepted) continue;
    const kind = factKind(mention);
    if (!kind) continue;
    const home = groups.find(
      (g) =>
        g.kind === kind &&
        g.mentions.every(
          (m) =>
            sameThing(m, mention) &&
            sameStanding(m, mention) &&
            compatible(kind, m.attributes, mention.attributes),
        ),
    );
    if (home) home.mentions.push(mention);
    else groups.push({ kind, mentions: [mention] });
  }
  return groups.map(({ kind, mentions: members }) => {
    const ranked = [...members].sort((a, b) => richness(b) - richness(a) || a.start - b.start);
    const first = ranked[0]!;
    return {
      kind,
      mentions: ranked,
      key: keyOf(first),
      attributes: joinAttributes(ranked),
      concepts: first.concepts,
    };
  });
}

/** The first attribute of a type, if any. */
export function attribute(fact: Fact, type: AttributeType): Attribute | undefined {
  return fact.attributes.find((a) => a.type === type);
}
