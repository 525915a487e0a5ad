import type { CodeableConcept } from '../../core/resource.js';
import { idOf } from '../hl7-values.js';
import type { Element } from './element.js';
import { assigned, type Who } from './header.js';
import { type Context, type Identifier, identifiers, time } from './values.js';

/** What the entries of a document are about. */
export interface Subject extends Context {
  readonly patientId: string;
  readonly encounterId: string | undefined;
  /** Called with whom an entry names. */
  readonly names: (who: Who) => void;
}

/** Templates of C-CDA 2.1 that are read, by what they are. */
export const T = {
  problem: '2.16.840.1.113883.10.20.22.4.4',
  problemStatus: '2.16.840.1.113883.10.20.22.4.6',
  severity: '2.16.840.1.113883.10.20.22.4.8',
  criticality: '2.16.840.1.113883.10.20.22.4.145',
  reaction: '2.16.840.1.113883.10.20.22.4.9',
  allergy: '2.16.840.1.113883.10.20.22.4.7',
  allergyStatus: '2.16.840.1.113883.10.20.22.4.28',
  medication: '2.16.840.1.113883.10.20.22.4.16',
  indication: '2.16.840.1.113883.10.20.22.4.19',
  immunization: '2.16.840.1.113883.10.20.22.4.52',
  refusal: '2.16.840.1.113883.10.20.22.4.53',
  procedures: [
    '2.16.840.1.113883.10.20.22.4.12',
    '2.16.840.1.113883.10.20.22.4.13',
    '2.16.840.1.113883.10.20.22.4.14',
  ],
  results: '2.16.840.1.113883.10.20.22.4.1',
  encounter: '2.16.840.1.113883.10.20.22.4.49',
  family: '2.16.840.1.113883.10.20.22.4.45',
  familyCondition: '2.16.840.1.113883.10.20.22.4.46',
};

export const SCT = 'http://snomed.info/sct';
export const clinicalStatus = (kind: string, code: string) => ({
  coding: [{ system: `http://terminology.hl7.org/CodeSystem/${kind}-clinical`, code }],
});
/** SNOMED CT codes of a status, as problem and allergy status observations carry them. */
export const STATUS_CODES: Readonly<Record<string, string>> = {
  '55561003': 'active',
  '73425007': 'inactive',
  '413322009': 'resolved',
  '246455001': 'recurrence',
  '277022003': 'remission',
  '263855007': 'relapse',
};

/** Statements within a statement, of any kind of relationship. */
export function related(statement: Element): Element[] {
  return statement
    .all('entryRelationship')
    .flatMap((r) => r.elements().filter(({ name }) => STATEMENTS.has(name)));
}
export const STATEMENTS = new Set([
  'act',
  'observation',
  'substanceAdministration',
  'procedure',
  'organizer',
  'encounter',
  'supply',
]);

export function relatedBy(statement: Element, template: string): Element | undefined {
  return related(statement).find((one) => one.follows(template));
}

/** The id of what a statement says: its own identifier, else its words and time. */
export function statementId(
  type: string,
  statement: Element,
  subject: Subject,
  ...otherwise: string[]
): { id: string; found: Identifier[] } {
  const found = identifiers(statement);
  const [first] = found;
  return {
    found,
    id: first
      ? idOf(type, subject.patientId, first.system, first.value)
      : idOf(type, subject.patientId, ...otherwise),
  };
}

export function keyOf(code: CodeableConcept | undefined): string {
  const [first] = code?.coding ?? [];
  return first ? `${first.system}|${first.code}` : (code?.text ?? '').toLowerCase();
}

export function about({ patientId, encounterId }: Subject) {
  return {
    subject: { reference: `Patient/${patientId}` },
    ...(encounterId && { encounter: { reference: `Encounter/${encounterId}` } }),
  };
}

export function author(
  statement: Element,
  subject: Subject,
): { at: string | undefined; who: Who['reference'] | undefined } {
  const first = statement.at('author');
  const who = assigned(first?.at('assignedAuthor'));
  if (who) subject.names(who);
  const isPerson = who && !who.reference.reference?.startsWith('Organization/');
  return { at: time(first?.at('time'), subject), who: isPerson ? who.reference : undefined };
}

export function performers(statement: Element, subject: Subject): Who['reference'][] {
  return statement.all('performer').flatMap((performer) => {
    const who = assigned(performer.at('assignedEntity'));
    if (who) subject.names(who);
    return who ? [who.reference] : [];
  });
}

export function textOnly(text: string | undefined): CodeableConcept | undefined {
  return text ? { text } : undefined;
}
