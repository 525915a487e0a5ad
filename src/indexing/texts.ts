import { MAX_JSON_DEPTH } from '../core/json.js';
import type { Resource } from '../core/resource.js';
import { typeDefinition } from '../fhir/elements.js';

/** Takes a text of a resource; `repeats` where other resources are likely to hold the same. */
export type TextVisitor = (text: string, repeats: boolean) => void;
export type TextsOf = (resource: Resource, visit: TextVisitor) => void;

/** The narrative: what stands between its tags. */
export const narrativeTexts: TextsOf = (resource, visit) => {
  const div = (resource.text as { div?: unknown } | undefined)?.div;
  if (typeof div === 'string') visit(withoutTags(div), false);
};

/**
 * Every text in the resource, the narrative and contained resources included. Texts are elements of type string and
 * markdown, and attached plain text and HTML, such as the note inside a DocumentReference. Codes, identifiers, telephone
 * numbers, units and dates are not words, have parameters of their own, and would double the terms of a laboratory
 * result.
 */
export const contentTexts: TextsOf = (resource, visit) => {
  narrativeTexts(resource, visit);
  if (resource.resourceType === 'Binary') attached(resource, visit);
  texts(resource, planOf(resource.resourceType), visit, 0);
};

/** Longer base64 is left out of the words: what is attached is then a book or a picture. */
const MAX_ATTACHED_UNITS = 4_194_304;

/** The text of an Attachment or Binary that carries it inline, where it is a text. */
function attached(holder: object, visit: TextVisitor): void {
  const { contentType, data } = holder as { contentType?: unknown; data?: unknown };
  if (typeof contentType !== 'string' || typeof data !== 'string' || data.length > MAX_ATTACHED_UNITS) return;
  const kind = contentType.split(';', 1)[0]!.trim().toLowerCase();
  if (kind !== 'text/plain' && kind !== 'text/html' && kind !== 'text/markdown') return;
  const latin = /charset="?(iso-8859-1|windows-1252|latin1)/i.test(contentType);
  const text = Buffer.from(data, 'base64').toString(latin ? 'latin1' : 'utf8');
  visit(kind === 'text/html' ? withoutTags(text) : text, false);
}

const TEXT_TYPES = new Set(['string', 'markdown']);
const NO_WORDS = new Set([
  'Identifier',
  'Meta',
  'Narrative',
  'ContactPoint',
  'Quantity',
  'Signature',
  'SampledData',
]);
const NO_WORDS_MEMBERS = new Set([
  'Coding.version',
  'CodeSystem.version',
  'Extension.url',
  'Reference.reference',
  'Expression.expression',
]);

/** Displays and texts of codes repeat from one resource to the next; longer ones are written once. */
const REPEATING = new Set(['Coding', 'CodeableConcept']);
const MAX_REPEATING_UNITS = 96;

/** What to do with a member: read it as a text, or go into it as an object of a type. */
interface Step {
  readonly text: boolean;
  readonly repeats: boolean;
  readonly type: string;
  /** The plan of the type, found when first needed; undefined where `resourceType` says it. */
  plan: Plan | undefined;
}

interface Plan {
  readonly steps: ReadonlyMap<string, Step>;
  /** The names with a step, where they are few: asking for each is faster than walking all members. */
  readonly few: readonly string[] | undefined;
}

const FEW_NAMES = 4;
const plans = new Map<string, Plan>();

function planOf(type: string): Plan {
  let plan = plans.get(type);
  if (!plan) {
    const steps = new Map<string, Step>();
    for (const [name, member] of typeDefinition(type)?.members ?? []) {
      const { code } = member.type;
      if (NO_WORDS.has(code) || NO_WORDS_MEMBERS.has(`${type}.${name}`) || name === 'id') continue;
      const text = TEXT_TYPES.has(code);
      if (text || typeDefinition(code)) {
        steps.set(name, { text, repeats: REPEATING.has(type), type: code, plan: undefined });
      }
    }
    plan = { steps, few: steps.size <= FEW_NAMES ? [...steps.keys()] : undefined };
    plans.set(type, plan);
  }
  return plan;
}

function texts(node: object, { steps, few }: Plan, visit: TextVisitor, depth: number): void {
  if (depth > MAX_JSON_DEPTH) return;
  if (few) {
    for (const name of few) {
      const value = (node as Record<string, unknown>)[name];
      if (value !== undefined) follow(steps.get(name)!, value, visit, depth);
    }
    return;
  }
  for (const name in node) {
    const step = steps.get(name);
    if (step !== undefined) follow(step, (node as Record<string, unknown>)[name], visit, depth);
  }
}

function follow(step: Step, value: unknown, visit: TextVisitor, depth: number): void {
  if (Array.isArray(value)) {
    for (const item of value) follow(step, item, visit, depth + 1);
  } else if (step.text) {
    if (typeof value === 'string') visit(value, step.repeats && value.length <= MAX_REPEATING_UNITS);
  } else if (typeof value === 'object' && value !== null) {
    if (step.type !== 'Resource') step.plan ??= planOf(step.type);
    if (step.type === 'Attachment') attached(value, visit);
    texts(value, step.plan ?? planOf(String((value as Resource).resourceType)), visit, depth + 1);
  }
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

/** Tags become spaces, the commonest entities their characters. Linear in the text. */
function withoutTags(html: string): string {
  let out = '';
  let i = 0;
  while (i < html.length) {
    const open = html.indexOf('<', i);
    if (open < 0) return out + decoded(html.slice(i));
    out += `${decoded(html.slice(i, open))} `;
    const close = html.indexOf('>', open);
    if (close < 0) return out;
    i = close + 1;
  }
  return out;
}

function decoded(text: string): string {
  return text.includes('&')
    ? text.replace(/&([a-z]{2,4});/g, (all, name: string) => ENTITIES[name] ?? all)
    : text;
}
