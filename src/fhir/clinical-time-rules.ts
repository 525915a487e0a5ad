/**
 * For each type of resource that records something that happens to a patient: the elements that say when, the first
 * one present counts. When it was written down comes last, and only where it is the best that is left. Types that are
 * no event of a patient's (Practitioner, Medication, Group) have no row. `example` is the row's test: the element that
 * must win in it.
 */
export interface ClinicalTimeRule {
  readonly type: string;
  /** Paths below the resource; `[x]` a choice of types, of which dates, periods and timings count. */
  readonly elements: readonly string[];
  readonly example: { readonly resource: Record<string, unknown>; readonly element: string };
}

const LATER = '2024-02-02';
const EARLIER = '2024-01-01';

function rule(
  type: string,
  elements: string[],
  resource: Record<string, unknown>,
  element: string,
): ClinicalTimeRule {
  return {
    type,
    elements,
    example: { resource: { resourceType: type, ...resource }, element: `${type}.${element}` },
  };
}

export const CLINICAL_TIME_RULES: readonly ClinicalTimeRule[] = [
  rule(
    'AdverseEvent',
    ['date', 'detected', 'recordedDate'],
    { detected: EARLIER, recordedDate: LATER },
    'detected',
  ),
  rule(
    'AllergyIntolerance',
    ['onset[x]', 'recordedDate', 'lastOccurrence'],
    { onsetDateTime: EARLIER, recordedDate: LATER },
    'onsetDateTime',
  ),
  rule(
    'Appointment',
    ['start', 'requestedPeriod', 'created'],
    { start: `${LATER}T10:00:00Z`, created: EARLIER },
    'start',
  ),
  rule('AuditEvent', ['period', 'recorded'], { recorded: `${EARLIER}T10:00:00Z` }, 'recorded'),
  rule('CarePlan', ['period', 'created'], { period: { start: EARLIER }, created: LATER }, 'period'),
  rule('CareTeam', ['period'], { period: { start: EARLIER, end: LATER } }, 'period'),
  rule(
    'ChargeItem',
    ['occurrence[x]', 'enteredDate'],
    { occurrenceDateTime: EARLIER, enteredDate: LATER },
    'occurrenceDateTime',
  ),
  rule(
    'Claim',
    ['billablePeriod', 'created'],
    { billablePeriod: { start: EARLIER }, created: LATER },
    'billablePeriod',
  ),
  rule('ClaimResponse', ['created'], { created: LATER }, 'created'),
  rule(
    'ClinicalImpression',
    ['effective[x]', 'date'],
    { effectiveDateTime: EARLIER, date: LATER },
    'effectiveDateTime',
  ),
  rule('Communication', ['sent', 'received'], { received: LATER }, 'received'),
  rule(
    'CommunicationRequest',
    ['occurrence[x]', 'authoredOn'],
    { occurrencePeriod: { end: LATER } },
    'occurrencePeriod',
  ),
  rule(
    'Composition',
    ['event.period', 'date'],
    { event: [{ period: { start: EARLIER } }], date: LATER },
    'event.period',
  ),
  rule(
    'Condition',
    ['onset[x]', 'recordedDate'],
    { onsetAge: { value: 40 }, recordedDate: LATER },
    'recordedDate',
  ),
  rule('Consent', ['dateTime'], { dateTime: LATER }, 'dateTime'),
  rule('Coverage', ['period'], { period: { start: EARLIER } }, 'period'),
  rule('DetectedIssue', ['identified[x]'], { identifiedPeriod: { start: EARLIER } }, 'identifiedPeriod'),
  rule('DeviceRequest', ['occurrence[x]', 'authoredOn'], { authoredOn: LATER }, 'authoredOn'),
  rule(
    'DeviceUseStatement',
    ['timing[x]', 'recordedOn'],
    { timingTiming: { event: [LATER, EARLIER] } },
    'timingTiming',
  ),
  rule(
    'DiagnosticReport',
    ['effective[x]', 'issued'],
    { effectivePeriod: { start: EARLIER } },
    'effectivePeriod',
  ),
  rule(
    'DocumentReference',
    ['context.period', 'date'],
    { context: { period: { start: EARLIER } }, date: `${LATER}T10:00:00Z` },
    'context.period',
  ),
  rule('DocumentManifest', ['created'], { created: LATER }, 'created'),
  rule('Encounter', ['period', 'statusHistory.period'], { period: { start: EARLIER, end: LATER } }, 'period'),
  rule('EpisodeOfCare', ['period'], { period: { start: EARLIER } }, 'period'),
  rule(
    'ExplanationOfBenefit',
    ['billablePeriod', 'created'],
    { billablePeriod: { start: EARLIER }, created: LATER },
    'billablePeriod',
  ),
  rule('FamilyMemberHistory', ['date'], { date: LATER }, 'date'),
  rule('Flag', ['period'], { period: { start: EARLIER } }, 'period'),
  rule('Goal', ['start[x]', 'statusDate'], { startDate: EARLIER, statusDate: LATER }, 'startDate'),
  rule('GuidanceResponse', ['occurrenceDateTime'], { occurrenceDateTime: LATER }, 'occurrenceDateTime'),
  rule(
    'ImagingStudy',
    ['started', 'series.started'],
    { series: [{ started: LATER }, { started: EARLIER }] },
    'series.started',
  ),
  rule(
    'Immunization',
    ['occurrence[x]', 'recorded'],
    { occurrenceString: 'as a child', recorded: LATER },
    'recorded',
  ),
  rule('ImmunizationEvaluation', ['date'], { date: LATER }, 'date'),
  rule('ImmunizationRecommendation', ['date'], { date: LATER }, 'date'),
  rule('Invoice', ['date'], { date: LATER }, 'date'),
  rule('List', ['date'], { date: LATER }, 'date'),
  rule('MeasureReport', ['period', 'date'], { period: { start: EARLIER, end: LATER } }, 'period'),
  rule(
    'Media',
    ['created[x]', 'issued'],
    { createdDateTime: EARLIER, issued: `${LATER}T10:00:00Z` },
    'createdDateTime',
  ),
  rule(
    'MedicationAdministration',
    ['effective[x]'],
    { effectivePeriod: { start: EARLIER } },
    'effectivePeriod',
  ),
  rule('MedicationDispense', ['whenHandedOver', 'whenPrepared'], { whenPrepared: LATER }, 'whenPrepared'),
  rule('MedicationRequest', ['authoredOn'], { authoredOn: LATER }, 'authoredOn'),
  rule(
    'MedicationStatement',
    ['effective[x]', 'dateAsserted'],
    { effectivePeriod: { start: EARLIER }, dateAsserted: LATER },
    'effectivePeriod',
  ),
  rule('NutritionOrder', ['dateTime'], { dateTime: LATER }, 'dateTime'),
  rule(
    'Observation',
    ['effective[x]', 'issued'],
    { effectiveDateTime: EARLIER, issued: LATER },
    'effectiveDateTime',
  ),
  rule('Procedure', ['performed[x]'], { performedPeriod: { start: EARLIER, end: LATER } }, 'performedPeriod'),
  rule('Provenance', ['occurred[x]', 'recorded'], { recorded: `${LATER}T10:00:00Z` }, 'recorded'),
  rule('QuestionnaireResponse', ['authored'], { authored: LATER }, 'authored'),
  rule('RequestGroup', ['authoredOn'], { authoredOn: LATER }, 'authoredOn'),
  rule('ResearchSubject', ['period'], { period: { start: EARLIER } }, 'period'),
  rule('RiskAssessment', ['occurrence[x]'], { occurrencePeriod: { start: EARLIER } }, 'occurrencePeriod'),
  rule(
    'ServiceRequest',
    ['occurrence[x]', 'authoredOn'],
    { occurrenceDateTime: EARLIER, authoredOn: LATER },
    'occurrenceDateTime',
  ),
  rule(
    'Specimen',
    ['collection.collected[x]', 'receivedTime'],
    { collection: { collectedDateTime: EARLIER } },
    'collection.collectedDateTime',
  ),
  rule('SupplyDelivery', ['occurrence[x]'], { occurrenceDateTime: EARLIER }, 'occurrenceDateTime'),
  rule('SupplyRequest', ['occurrence[x]', 'authoredOn'], { authoredOn: LATER }, 'authoredOn'),
  rule(
    'Task',
    ['executionPeriod', 'authoredOn'],
    { executionPeriod: { start: EARLIER }, authoredOn: LATER },
    'executionPeriod',
  ),
  rule(
    'VisionPrescription',
    ['dateWritten', 'created'],
    { created: EARLIER, dateWritten: LATER },
    'dateWritten',
  ),
];
