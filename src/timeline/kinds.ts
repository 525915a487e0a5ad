import type { Resource } from '../core/resource.js';

/**
 * What each type of resource is on a timeline, as rows: its kind, where its title stands (the first that is there),
 * whether it is shown when no types are asked for, and whether the same fact told twice is one event. Types without a
 * row are no events of care. `example` is the row's test.
 */
export interface KindRow {
  readonly type: string;
  readonly kind: string;
  /** Elements with the title: CodeableConcept, Coding, Reference or string; a list takes its first. */
  readonly titles: readonly string[];
  /** Shown by default. Billing and record-keeping are events too, but not of care. */
  readonly shown: boolean;
  /** Facts that notes repeat: told in ten notes, they are shown once. */
  readonly repeats: boolean;
  readonly example: { readonly resource: Record<string, unknown>; readonly title: string };
}

function row(
  type: string,
  kind: string,
  titles: string[],
  marks: 'care' | 'fact' | 'other',
  example: Record<string, unknown>,
  title: string,
): KindRow {
  return {
    type,
    kind,
    titles,
    shown: marks !== 'other',
    repeats: marks === 'fact',
    example: { resource: { resourceType: type, ...example }, title },
  };
}

const ASTHMA = { coding: [{ system: 'http://snomed.info/sct', code: '195967001', display: 'Asthma' }] };

export const KIND_ROWS: readonly KindRow[] = [
  row('AdverseEvent', 'adverse-event', ['event', 'category'], 'care', { event: { text: 'Fall' } }, 'Fall'),
  row('AllergyIntolerance', 'allergy', ['code'], 'fact', { code: { text: 'Penicillin' } }, 'Penicillin'),
  row(
    'Appointment',
    'appointment',
    ['description', 'serviceType', 'appointmentType'],
    'care',
    { description: 'Yearly check' },
    'Yearly check',
  ),
  row(
    'CarePlan',
    'care-plan',
    ['title', 'category', 'description'],
    'care',
    { title: 'Diabetes care' },
    'Diabetes care',
  ),
  row('CareTeam', 'care-team', ['name', 'category'], 'other', { name: 'Ward 3' }, 'Ward 3'),
  row('ChargeItem', 'billing', ['code'], 'other', { code: { text: 'Room' } }, 'Room'),
  row(
    'Claim',
    'billing',
    ['type'],
    'other',
    { type: { coding: [{ code: 'institutional' }] } },
    'institutional',
  ),
  row(
    'ClaimResponse',
    'billing',
    ['type'],
    'other',
    { type: { coding: [{ code: 'pharmacy' }] } },
    'pharmacy',
  ),
  row(
    'ClinicalImpression',
    'impression',
    ['summary', 'description', 'code'],
    'care',
    { summary: 'Improving' },
    'Improving',
  ),
  row(
    'Communication',
    'communication',
    ['topic', 'category'],
    'care',
    { topic: { text: 'Results' } },
    'Results',
  ),
  row(
    'Composition',
    'document',
    ['title', 'type'],
    'care',
    { title: 'Discharge summary' },
    'Discharge summary',
  ),
  row('Condition', 'condition', ['code'], 'fact', { code: ASTHMA }, 'Asthma'),
  row('Consent', 'consent', ['scope', 'category'], 'other', { scope: { text: 'Research' } }, 'Research'),
  row('Coverage', 'coverage', ['type'], 'other', { type: { text: 'Private' } }, 'Private'),
  row('DetectedIssue', 'issue', ['code', 'detail'], 'care', { detail: 'Interaction' }, 'Interaction'),
  row(
    'DeviceRequest',
    'device',
    ['codeCodeableConcept', 'codeReference'],
    'care',
    { codeCodeableConcept: { text: 'Walker' } },
    'Walker',
  ),
  row('DeviceUseStatement', 'device', ['device'], 'care', { device: { display: 'Pacemaker' } }, 'Pacemaker'),
  row(
    'DiagnosticReport',
    'report',
    ['code', 'category'],
    'care',
    { code: { text: 'Lipid panel' } },
    'Lipid panel',
  ),
  row(
    'DocumentReference',
    'document',
    ['description', 'type', 'category'],
    'care',
    { type: { text: 'Progress note' } },
    'Progress note',
  ),
  row(
    'Encounter',
    'encounter',
    ['type', 'serviceType', 'reasonCode', 'class'],
    'care',
    { class: { code: 'AMB', display: 'ambulatory' } },
    'ambulatory',
  ),
  row('EpisodeOfCare', 'episode', ['type'], 'care', { type: [{ text: 'Home care' }] }, 'Home care'),
  row('ExplanationOfBenefit', 'billing', ['type'], 'other', { type: { text: 'Pharmacy' } }, 'Pharmacy'),
  row(
    'FamilyMemberHistory',
    'family-history',
    ['condition.code', 'relationship'],
    'fact',
    { relationship: { text: 'mother' }, condition: [{ code: ASTHMA }] },
    'Asthma',
  ),
  row('Flag', 'flag', ['code'], 'care', { code: { text: 'Fall risk' } }, 'Fall risk'),
  row(
    'Goal',
    'goal',
    ['description'],
    'care',
    { description: { text: 'HbA1c below 7 %' } },
    'HbA1c below 7 %',
  ),
  row(
    'ImagingStudy',
    'imaging',
    ['description', 'procedureCode', 'modality'],
    'care',
    { description: 'Chest X-ray' },
    'Chest X-ray',
  ),
  row(
    'Immunization',
    'immunization',
    ['vaccineCode'],
    'fact',
    { vaccineCode: { text: 'Influenza' } },
    'Influenza',
  ),
  row('List', 'list', ['title', 'code'], 'other', { title: 'Problem list' }, 'Problem list'),
  row('Media', 'media', ['type', 'modality'], 'care', { type: { text: 'Photo' } }, 'Photo'),
  row(
    'MedicationAdministration',
    'medication',
    ['medicationCodeableConcept', 'medicationReference'],
    'fact',
    { medicationCodeableConcept: { text: 'Aspirin' } },
    'Aspirin',
  ),
  row(
    'MedicationDispense',
    'medication',
    ['medicationCodeableConcept', 'medicationReference'],
    'fact',
    { medicationReference: { display: 'Aspirin' } },
    'Aspirin',
  ),
  row(
    'MedicationRequest',
    'medication',
    ['medicationCodeableConcept', 'medicationReference'],
    'fact',
    { medicationCodeableConcept: { text: 'Aspirin' } },
    'Aspirin',
  ),
  row(
    'MedicationStatement',
    'medication',
    ['medicationCodeableConcept', 'medicationReference'],
    'fact',
    { medicationCodeableConcept: { text: 'Aspirin' } },
    'Aspirin',
  ),
  row(
    'NutritionOrder',
    'nutrition',
    ['oralDiet.type', 'enteralFormula.baseFormulaType'],
    'care',
    { oralDiet: { type: [{ text: 'Low salt' }] } },
    'Low salt',
  ),
  row('Observation', 'observation', ['code'], 'fact', { code: { text: 'Heart rate' } }, 'Heart rate'),
  row('Procedure', 'procedure', ['code'], 'fact', { code: { text: 'Appendectomy' } }, 'Appendectomy'),
  row(
    'QuestionnaireResponse',
    'questionnaire',
    ['questionnaire'],
    'care',
    { questionnaire: 'http://example.org/Questionnaire/phq9' },
    'http://example.org/Questionnaire/phq9',
  ),
  row('RequestGroup', 'request', ['code'], 'other', { code: { text: 'Order set' } }, 'Order set'),
  row(
    'RiskAssessment',
    'risk',
    ['code', 'prediction.outcome'],
    'care',
    { prediction: [{ outcome: { text: 'Stroke' } }] },
    'Stroke',
  ),
  row('ServiceRequest', 'request', ['code'], 'care', { code: { text: 'Physiotherapy' } }, 'Physiotherapy'),
  row('Specimen', 'specimen', ['type'], 'care', { type: { text: 'Blood' } }, 'Blood'),
  row(
    'SupplyDelivery',
    'supply',
    ['suppliedItem.itemCodeableConcept', 'type'],
    'care',
    { type: { text: 'Medication' } },
    'Medication',
  ),
  row('Task', 'task', ['description', 'code'], 'other', { description: 'Call back' }, 'Call back'),
  row(
    'VisionPrescription',
    'prescription',
    ['lensSpecification.product'],
    'care',
    { lensSpecification: [{ product: { text: 'lens' } }] },
    'lens',
  ),
];

const ROWS = new Map(KIND_ROWS.map((r) => [r.type, r]));

export function kindRow(type: string): KindRow | undefined {
  return ROWS.get(type);
}

/** Types shown when none are asked for. */
export const SHOWN_TYPES: readonly string[] = KIND_ROWS.filter((r) => r.shown).map((r) => r.type);

/** Types one of whose kinds is among `kinds`, for facts told twice. */
export function typesOfKinds(kinds: ReadonlySet<string>): string[] {
  return KIND_ROWS.filter((r) => kinds.has(r.kind)).map((r) => r.type);
}

/** The coded concept an event is about, for its title and for telling two of the same fact. */
export function conceptOf(resource: Resource): unknown {
  for (const path of kindRow(resource.resourceType)?.titles ?? []) {
    const found = at(resource, path.split('.'));
    if (found !== undefined) return found;
  }
  return undefined;
}

function at(value: unknown, path: readonly string[]): unknown {
  let v: unknown = value;
  for (const name of path) {
    if (Array.isArray(v)) v = v[0];
    v = typeof v === 'object' && v !== null ? (v as Record<string, unknown>)[name] : undefined;
  }
  return Array.isArray(v) ? v[0] : v;
}
