import type { CodeableConcept, Resource } from '../../core/resource.js';
import { dateTime, idOf, type Sender } from '../hl7-values.js';
import { concept } from './datatypes.js';
import type { Segment } from './message.js';
import { listed, practitioner } from './people.js';

/** What clinical segments are about. */
export interface Subject {
  readonly patientId: string;
  readonly encounterId: string | undefined;
  readonly sender: Sender;
  /** Control id of the message: what tells apart things without an identifier of their own. */
  readonly message: string;
}

export function subjectOf({ patientId }: Subject) {
  return { reference: `Patient/${patientId}` };
}

export function encounterOf({ encounterId }: Subject) {
  return encounterId ? { encounter: { reference: `Encounter/${encounterId}` } } : {};
}

/** The words that tell one concept from another: its first code, else its text. */
export function conceptKey(value: CodeableConcept | undefined): string {
  const [first] = value?.coding ?? [];
  return first?.code ? `${first.system}|${first.code}` : (value?.text ?? '').toLowerCase();
}

/** HL7 table 0127. */
const CATEGORIES: Readonly<Record<string, string>> = {
  DA: 'medication',
  FA: 'food',
  EA: 'environment',
  AA: 'environment',
  PA: 'environment',
  LA: 'environment',
};
/** HL7 table 0128. */
const SEVERITIES: Readonly<Record<string, string>> = { SV: 'severe', MO: 'moderate', MI: 'mild' };

/** AL1. */
export function allergy(al1: Segment, subject: Subject): Resource | undefined {
  const code = concept(al1.at(3));
  if (!code) return undefined;
  const category = CATEGORIES[al1.get(2) ?? ''];
  const severity = SEVERITIES[al1.get(4) ?? ''];
  const reactions = al1
    .repetitions(5)
    .map((r) => r.get(1))
    .filter((text) => text !== undefined);
  const onset = dateTime(al1.get(6), subject.sender);
  return {
    resourceType: 'AllergyIntolerance',
    id: idOf('AllergyIntolerance', subject.patientId, conceptKey(code)),
    clinicalStatus: {
      coding: [
        { system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical', code: 'active' },
      ],
    },
    ...(category && { category: [category] }),
    code,
    patient: subjectOf(subject),
    ...encounterOf(subject),
    ...(onset && { onsetDateTime: onset }),
    ...(reactions.length > 0
      ? { reaction: [{ manifestation: reactions.map((text) => ({ text })), ...(severity && { severity }) }] }
      : {}),
  };
}

/** HL7 table 0052: what a final diagnosis is, the others are working ones. */
const VERIFICATIONS: Readonly<Record<string, string>> = {
  F: 'confirmed',
  W: 'provisional',
  A: 'provisional',
};

/** DG1. */
export function diagnosis(dg1: Segment, subject: Subject): Resource | undefined {
  const code = concept(dg1.at(3)) ?? (dg1.get(4) ? { text: dg1.get(4) } : undefined);
  if (!code) return undefined;
  const described = dg1.get(4);
  const verification = VERIFICATIONS[dg1.get(6) ?? ''];
  const recorded = dateTime(dg1.get(5), subject.sender);
  return {
    resourceType: 'Condition',
    id: idOf('Condition', subject.patientId, subject.encounterId ?? '', conceptKey(code)),
    ...(verification && {
      verificationStatus: {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: verification },
        ],
      },
    }),
    category: [
      {
        coding: [
          { system: 'http://terminology.hl7.org/CodeSystem/condition-category', code: 'encounter-diagnosis' },
        ],
      },
    ],
    code: { ...code, ...(described && { text: described }) },
    subject: subjectOf(subject),
    ...encounterOf(subject),
    ...(recorded && { recordedDate: recorded }),
  };
}

/** PR1. */
export function procedure(
  pr1: Segment,
  subject: Subject,
): { resource: Resource; people: Resource[] } | undefined {
  const code = concept(pr1.at(3)) ?? (pr1.get(4) ? { text: pr1.get(4) } : undefined);
  if (!code) return undefined;
  const performed = dateTime(pr1.get(5), subject.sender);
  const surgeons = [...pr1.repetitions(11), ...pr1.repetitions(12)].map((xcn) =>
    practitioner(xcn, subject.sender),
  );
  return {
    people: surgeons.flatMap((who) => (who?.resource ? [who.resource] : [])),
    resource: {
      resourceType: 'Procedure',
      id: idOf('Procedure', subject.patientId, subject.encounterId ?? '', conceptKey(code), performed ?? ''),
      status: 'completed',
      code: { ...code, ...(pr1.get(4) && { text: pr1.get(4) }) },
      subject: subjectOf(subject),
      ...encounterOf(subject),
      ...(performed && { performedDateTime: performed }),
      ...listed(
        'performer',
        surgeons.map((who) => who && { actor: who.reference }),
      ),
    },
  };
}
