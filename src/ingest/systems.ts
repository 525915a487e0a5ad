/**
 * Code and identifier systems by their object identifier (OID), and by the short name HL7 v2 messages use (HL7 table
 * 0396), as FHIR names them (R4 terminologies-systems.html). One row per system.
 */
const SYSTEMS: readonly (readonly [uri: string, oids: readonly string[], names: readonly string[]])[] = [
  [
    'http://snomed.info/sct',
    ['2.16.840.1.113883.6.96'],
    ['SCT', 'SNM', 'SNOMED', 'SNOMEDCT', 'SNOMED-CT', 'SNOMED CT'],
  ],
  ['http://loinc.org', ['2.16.840.1.113883.6.1'], ['LN', 'LOINC', 'LNC']],
  ['http://www.nlm.nih.gov/research/umls/rxnorm', ['2.16.840.1.113883.6.88'], ['RXNORM', 'RXN', 'RxNorm']],
  [
    'http://hl7.org/fhir/sid/icd-10-cm',
    ['2.16.840.1.113883.6.90'],
    ['I10', 'I10C', 'ICD10', 'ICD-10', 'ICD10CM', 'ICD-10-CM', '10CM'],
  ],
  ['http://hl7.org/fhir/sid/icd-10', ['2.16.840.1.113883.6.3'], ['ICD-10-WHO']],
  [
    'http://hl7.org/fhir/sid/icd-9-cm',
    ['2.16.840.1.113883.6.103', '2.16.840.1.113883.6.104', '2.16.840.1.113883.6.42'],
    ['I9', 'I9C', 'I9CDX', 'I9CP', 'ICD9', 'ICD-9', 'ICD-9-CM'],
  ],
  ['http://www.cms.gov/Medicare/Coding/ICD10', ['2.16.840.1.113883.6.4'], ['I10P', 'ICD10PCS']],
  ['http://hl7.org/fhir/sid/cvx', ['2.16.840.1.113883.12.292'], ['CVX', 'HL70292']],
  ['http://hl7.org/fhir/sid/mvx', ['2.16.840.1.113883.12.227'], ['MVX', 'HL70227']],
  ['http://hl7.org/fhir/sid/ndc', ['2.16.840.1.113883.6.69'], ['NDC']],
  ['http://unitsofmeasure.org', ['2.16.840.1.113883.6.8'], ['UCUM']],
  ['http://www.ama-assn.org/go/cpt', ['2.16.840.1.113883.6.12'], ['CPT', 'C4', 'CPT4', 'CPT-4']],
  ['http://fdasis.nlm.nih.gov', ['2.16.840.1.113883.4.9'], ['UNII']],
  ['http://hl7.org/fhir/ndfrt', ['2.16.840.1.113883.3.26.1.5'], ['NDFRT', 'NDF-RT']],
  ['http://ncithesaurus-stage.nci.nih.gov', ['2.16.840.1.113883.3.26.1.1'], ['NCIT']],
  ['urn:oid:2.16.840.1.113883.6.238', ['2.16.840.1.113883.6.238'], ['CDCREC', 'HL70005', 'HL70189']],
  ['http://nucc.org/provider-taxonomy', ['2.16.840.1.113883.6.101'], ['NUCC']],
  ['urn:ietf:bcp:47', ['2.16.840.1.113883.6.121', '2.16.840.1.113883.1.11.11526'], ['ISO639', 'BCP47']],
  ['http://hl7.org/fhir/sid/us-ssn', ['2.16.840.1.113883.4.1'], []],
  ['http://hl7.org/fhir/sid/us-npi', ['2.16.840.1.113883.4.6'], ['NPI']],
  ['http://terminology.hl7.org/CodeSystem/v3-ActCode', ['2.16.840.1.113883.5.4'], []],
  ['http://terminology.hl7.org/CodeSystem/v3-AdministrativeGender', ['2.16.840.1.113883.5.1'], []],
  ['http://terminology.hl7.org/CodeSystem/v3-MaritalStatus', ['2.16.840.1.113883.5.2'], []],
  ['http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation', ['2.16.840.1.113883.5.83'], []],
  ['http://terminology.hl7.org/CodeSystem/v3-NullFlavor', ['2.16.840.1.113883.5.1008'], []],
  ['http://terminology.hl7.org/CodeSystem/v3-RoleCode', ['2.16.840.1.113883.5.111'], []],
  ['http://terminology.hl7.org/CodeSystem/v3-RoleClass', ['2.16.840.1.113883.5.110'], []],
  ['http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration', ['2.16.840.1.113883.5.112'], []],
  ['http://terminology.hl7.org/CodeSystem/v3-ReligiousAffiliation', ['2.16.840.1.113883.5.1076'], []],
];

const byOid = new Map(SYSTEMS.flatMap(([uri, oids]) => oids.map((oid) => [oid, uri] as const)));
const byName = new Map(
  SYSTEMS.flatMap(([uri, , names]) => names.map((name) => [name.toUpperCase(), uri] as const)),
);

const OID = /^[0-2](\.(0|[1-9]\d*))+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function isOid(text: string): boolean {
  return text.length <= 128 && OID.test(text);
}

/** The URI of the system a root names: its FHIR name where it has one, else `urn:oid:` or `urn:uuid:`. */
export function systemOfRoot(root: string | undefined): string | undefined {
  if (!root) return undefined;
  const known = byOid.get(root);
  if (known) return known;
  if (isOid(root)) return `urn:oid:${root}`;
  return UUID.test(root) ? `urn:uuid:${root.toLowerCase()}` : undefined;
}

/**
 * The URI of a coding system by its name in HL7 v2: standard systems, HL7's own tables (`HL70001`), an OID; undefined
 * for local ones (`L`, `99zzz`), whose codes mean nothing elsewhere.
 */
export function systemOfName(name: string | undefined): string | undefined {
  if (!name) return undefined;
  const known = byName.get(name.trim().toUpperCase());
  if (known) return known;
  const table = /^HL7(0\d{3})$/i.exec(name);
  if (table) return `http://terminology.hl7.org/CodeSystem/v2-${table[1]}`;
  return systemOfRoot(name);
}
