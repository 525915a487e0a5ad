import type { Annotation, Mention } from '../../nlp/model.js';
import { whyOf } from './annotate-why.js';

const RESET = '\u001b[0m';
const BOLD = '\u001b[1m';
const DIM = '\u001b[2m';
const STRUCK = '\u001b[9m';
const COLOURS: Readonly<Record<Mention['type'], number>> = {
  medication: 36,
  procedure: 35,
  diagnosis: 33,
  symptom: 93,
  test: 34,
  'vital-sign': 34,
  vaccine: 32,
  allergen: 31,
  device: 35,
  social: 37,
  phi: 90,
};

/** An annotation for a terminal: by section, a line per mention, accepted ones first. */
export function textOf(text: string, annotation: Annotation, colours: boolean): string {
  const paint = (code: string, words: string) => (colours ? `${code}${words}${RESET}` : words);
  const accepted = annotation.mentions.filter((mention) => mention.accepted).length;
  const lines = [
    paint(BOLD, `${annotation.id}: ${accepted} accepted, ${annotation.mentions.length - accepted} refused`),
  ];
  for (const section of annotation.sections) {
    const inside = annotation.mentions.filter(({ start }) => start >= section.start && start < section.end);
    if (inside.length === 0) continue;
    lines.push(
      '',
      paint(BOLD, section.title === '' ? '(no section)' : section.title) + paint(DIM, `  ${section.kind}`),
    );
    for (const mention of inside) lines.push(lineOf(text, mention, paint));
  }
  return `${lines.join('\n')}\n`;
}

function lineOf(text: string, mention: Mention, paint: (code: string, words: string) => string): string {
  const words = text.slice(mention.start, mention.end).replace(/\s+/g, ' ');
  const colour = `\u001b[${COLOURS[mention.type]}m`;
  const shown = mention.accepted ? paint(colour, words) : paint(`${DIM}${STRUCK}`, words);
  const code = mention.concepts[0];
  const parts = [
    `  ${mention.accepted ? '+' : '-'} ${paint(DIM, kindOf(mention).padEnd(10))} ${shown}`,
    ...mention.attributes.map(({ type, text: value, normalized }) =>
      paint(
        DIM,
        `${type} ${value.replace(/\s+/g, ' ')}${normalized && normalized !== value && normalized.length < 30 ? ` (${normalized})` : ''}`,
      ),
    ),
  ];
  if (code) parts.push(`${paint(DIM, shortSystem(code.system))} ${code.code} ${code.display}`);
  const context = contextOf(mention);
  if (context) parts.push(context);
  if (!mention.accepted) parts.push(paint(DIM, `refused: ${mention.reason ?? 'unknown'}`));
  const why = whyOf(mention);
  return parts.join('  ') + (why.length > 0 ? `\n      ${paint(DIM, why.join('; '))}` : '');
}

/** What it is, as briefly as can be: a procedure to treat or to find out. */
function kindOf({ type, kind, category }: Mention): string {
  return category && type === 'procedure' ? `${type}, ${category}` : (kind ?? type);
}

/** What is said of it, where that is not simply that it is so now. */
export function contextOf({ assertion }: Mention): string {
  const words: string[] = [];
  if (assertion.polarity !== 'affirmed') words.push(assertion.polarity);
  if (assertion.temporality !== 'current') words.push(assertion.temporality);
  if (assertion.experiencer !== 'patient') words.push(assertion.experiencer);
  return words.join(', ');
}

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/rxnorm/, 'RxNorm'],
  [/snomed/, 'SNOMED CT'],
  [/icd-10-cm/, 'ICD-10-CM'],
  [/icd10|icd-10-pcs/, 'ICD-10-PCS'],
  [/loinc/, 'LOINC'],
  [/cvx/, 'CVX'],
];

export function shortSystem(system: string): string {
  return SYSTEMS.find(([pattern]) => pattern.test(system))?.[1] ?? system;
}
