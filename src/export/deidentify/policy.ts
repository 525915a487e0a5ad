/**
 * What a de-identified export may hold (45 CFR 164.514(b)(2), "Safe Harbor"). Deny by default: a type, a data type or a
 * code system that stands in no table here is left out.
 */

/** Types that are given. Those about people who are no patients, places and organizations are not, nor free-form ones. */
export const GIVEN_TYPES: ReadonlySet<string> = new Set([
  'AdverseEvent',
  'AllergyIntolerance',
  'CarePlan',
  'Claim',
  'ClinicalImpression',
  'Condition',
  'Coverage',
  'DetectedIssue',
  'DeviceUseStatement',
  'DiagnosticReport',
  'DocumentReference',
  'Encounter',
  'EpisodeOfCare',
  'ExplanationOfBenefit',
  'FamilyMemberHistory',
  'Goal',
  'ImagingStudy',
  'Immunization',
  'Medication',
  'MedicationAdministration',
  'MedicationDispense',
  'MedicationRequest',
  'MedicationStatement',
  'NutritionOrder',
  'Observation',
  'Patient',
  'Procedure',
  'RiskAssessment',
  'ServiceRequest',
  'Specimen',
]);

/** Elements that are left out though their data type could be given. */
export const DENIED_ELEMENTS: ReadonlySet<string> = new Set([
  // How old a relative is, who may be over 89.
  'FamilyMemberHistory.bornDate',
  'FamilyMemberHistory.bornPeriod',
  'Patient.link',
  'DocumentReference.masterIdentifier',
]);

/** Code systems whose codes say nothing about who, each with the shape of a code; `example` is a code of it. */
export const SYSTEMS: readonly {
  readonly system: RegExp;
  readonly code: RegExp;
  readonly example: string;
}[] = [
  { system: /^http:\/\/loinc\.org$/, code: /^(LA|LP)?\d{1,7}-\d$/, example: '4548-4' },
  { system: /^http:\/\/snomed\.info\/sct$/, code: /^\d{6,18}$/, example: '44054006' },
  { system: /^http:\/\/www\.nlm\.nih\.gov\/research\/umls\/rxnorm$/, code: /^\d{1,8}$/, example: '860975' },
  {
    system: /^http:\/\/hl7\.org\/fhir\/sid\/icd-10(-cm)?$/,
    code: /^[A-Z]\d[0-9A-Z](\.?[0-9A-Z]{1,4})?$/,
    example: 'E11.9',
  },
  {
    system: /^http:\/\/hl7\.org\/fhir\/sid\/icd-9-cm$/,
    code: /^[EV]?\d{2,4}(\.\d{1,2})?$/,
    example: '250.00',
  },
  {
    system: /^http:\/\/www\.cms\.gov\/Medicare\/Coding\/ICD10$/,
    code: /^[0-9A-HJ-NP-Z]{7}$/,
    example: '0DTJ4ZZ',
  },
  { system: /^http:\/\/hl7\.org\/fhir\/sid\/cvx$/, code: /^\d{1,3}$/, example: '140' },
  {
    system: /^http:\/\/hl7\.org\/fhir\/sid\/ndc$/,
    code: /^\d{4,5}-?\d{3,4}-?\d{1,2}$/,
    example: '0093-1048-01',
  },
  { system: /^http:\/\/www\.whocc\.no\/atc$/, code: /^[A-Z]\d{2}[A-Z]{2}\d{2}$/, example: 'A10BA02' },
  { system: /^http:\/\/unitsofmeasure\.org$/, code: /^[!-~]{1,24}$/, example: 'mg/dL' },
  { system: /^urn:ietf:bcp:47$/, code: /^[a-z]{2,3}(-[A-Z]{2})?$/, example: 'en-US' },
  { system: /^http:\/\/dicom\.nema\.org\/resources\/ontology\/DCM$/, code: /^[A-Z0-9]{2,8}$/, example: 'CT' },
  // HL7's own: short words of a closed vocabulary.
  {
    system: /^http:\/\/(terminology\.)?hl7\.org\/(fhir|CodeSystem)\/[A-Za-z0-9./-]+$/,
    code: /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/,
    example: 'confirmed',
  },
  {
    system: /^https:\/\/cenote\.health\/fhir\/CodeSystem\/[a-z-]+$/,
    code: /^[a-z-]{1,32}$/,
    example: 'derived',
  },
];

/** Three-digit ZIP areas of 20,000 people or fewer (census of 2000, as the guidance of HHS lists them). */
export const SMALL_ZIP_AREAS: ReadonlySet<string> = new Set(
  '036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893'.split(' '),
);

/** States and territories of the USA: nothing smaller is given. */
export const STATES: ReadonlySet<string> = new Set(
  (
    'AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK ' +
    'OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI'
  ).split(' '),
);

/** Ages above this are one group; 90 stands for it. */
export const HIGHEST_AGE = 89;
