import { uuidV5 } from '../../../src/core/ids.js';
import type { Resource } from '../../../src/core/resource.js';

/** Namespace of the made-up ids. */
const NAMESPACE = '0a0f3a6e-6c1e-4b36-8f6e-6a1b8f0f7c11';

const LABS: readonly [code: string, display: string, unit: string, low: number, high: number][] = [
  ['2339-0', 'Glucose [Mass/volume] in Blood', 'mg/dL', 60, 220],
  ['4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood', '%', 4, 11],
  ['2160-0', 'Creatinine [Mass/volume] in Serum or Plasma', 'mg/dL', 0.4, 3],
  ['8302-2', 'Body height', 'cm', 140, 200],
  ['29463-7', 'Body weight', 'kg', 45, 130],
  ['39156-5', 'Body mass index (BMI) [Ratio]', 'kg/m2', 17, 45],
  ['2093-3', 'Cholesterol [Mass/volume] in Serum or Plasma', 'mg/dL', 110, 300],
  ['8867-4', 'Heart rate', '/min', 50, 120],
];
const CONDITIONS: readonly [code: string, display: string][] = [
  ['44054006', 'Diabetes mellitus type 2 (disorder)'],
  ['38341003', 'Hypertensive disorder, systemic arterial (disorder)'],
  ['195662009', 'Acute viral pharyngitis (disorder)'],
  ['444814009', 'Viral sinusitis (disorder)'],
  ['55822004', 'Hyperlipidemia (disorder)'],
];
const DRUGS: readonly [code: string, display: string][] = [
  ['860975', 'metformin hydrochloride 500 MG Oral Tablet'],
  ['314076', 'lisinopril 10 MG Oral Tablet'],
  ['313782', 'acetaminophen 325 MG Oral Tablet'],
];

/** A repeatable stream of numbers in [0, 1) (mulberry32). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const DAY_MS = 86_400_000;

/**
 * Made-up records of one patient in the shape hospital systems export: 1 Patient and per visit an Encounter, a
 * Condition, eight laboratory Observations, a DiagnosticReport and a MedicationRequest. The same number gives the
 * same bytes.
 */
export function recordsOf(patientNumber: number, visits: number): Resource[] {
  const next = random(patientNumber);
  const id = (what: string) => uuidV5(NAMESPACE, `${patientNumber} ${what}`);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!;
  const patientId = id('patient');
  const subject = { reference: `Patient/${patientId}` };
  const practitioner = {
    reference: `Practitioner/${uuidV5(NAMESPACE, `practitioner ${patientNumber % 40}`)}`,
    display: 'Dr. Example',
  };
  const birth = new Date(
    Date.UTC(1930 + Math.floor(next() * 80), Math.floor(next() * 12), 1 + Math.floor(next() * 28)),
  );
  const out: Resource[] = [
    {
      resourceType: 'Patient',
      id: patientId,
      identifier: [
        {
          type: {
            coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'MR' }],
            text: 'Medical Record Number',
          },
          system: 'https://hospital.example.org/mrn',
          value: `MRN${100000 + patientNumber}`,
        },
      ],
      name: [
        {
          use: 'official',
          family: `Family${patientNumber % 997}`,
          given: [`Given${patientNumber % 331}`, `Middle${patientNumber % 37}`],
        },
      ],
      telecom: [{ system: 'phone', value: `555-${1000 + (patientNumber % 9000)}`, use: 'home' }],
      gender: next() < 0.5 ? 'male' : 'female',
      birthDate: birth.toISOString().slice(0, 10),
      address: [
        {
          line: [`${1 + (patientNumber % 900)} Example Street`],
          city: `City${patientNumber % 51}`,
          state: 'MA',
          postalCode: '02101',
          country: 'US',
        },
      ],
    },
  ];
  let day = Date.UTC(2012, 0, 1) + Math.floor(next() * 700) * DAY_MS;
  for (let v = 0; v < visits; v++) {
    day += Math.floor(20 + next() * 160) * DAY_MS;
    const start = new Date(day + Math.floor(next() * DAY_MS)).toISOString().replace(/\.\d+Z/, '+00:00');
    const end = new Date(Date.parse(start) + 1_800_000).toISOString().replace(/\.\d+Z/, '+00:00');
    const encounterId = id(`encounter ${v}`);
    const encounter = { reference: `Encounter/${encounterId}` };
    const [code, display] = pick(CONDITIONS);
    out.push({
      resourceType: 'Encounter',
      id: encounterId,
      status: 'finished',
      class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
      type: [
        {
          coding: [{ system: 'http://snomed.info/sct', code: '185347001', display: 'Encounter for problem' }],
          text: 'Encounter for problem',
        },
      ],
      subject,
      participant: [{ individual: practitioner, period: { start, end } }],
      period: { start, end },
      serviceProvider: {
        reference: `Organization/${uuidV5(NAMESPACE, `organization ${patientNumber % 7}`)}`,
        display: 'Example Clinic',
      },
    });
    out.push({
      resourceType: 'Condition',
      id: id(`condition ${v}`),
      clinicalStatus: {
        coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'active' }],
      },
      verificationStatus: {
        coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status', code: 'confirmed' }],
      },
      category: [
        {
          coding: [
            {
              system: 'http://terminology.hl7.org/CodeSystem/condition-category',
              code: 'encounter-diagnosis',
              display: 'Encounter Diagnosis',
            },
          ],
        },
      ],
      code: { coding: [{ system: 'http://snomed.info/sct', code, display }], text: display },
      subject,
      encounter,
      onsetDateTime: start,
      recordedDate: start,
    });
    const results: object[] = [];
    for (const [l, [lab, name, unit, low, high]] of LABS.entries()) {
      const labId = id(`observation ${v} ${l}`);
      results.push({ reference: `Observation/${labId}`, display: name });
      out.push({
        resourceType: 'Observation',
        id: labId,
        status: 'final',
        category: [
          {
            coding: [
              {
                system: 'http://terminology.hl7.org/CodeSystem/observation-category',
                code: l < 3 ? 'laboratory' : 'vital-signs',
                display: l < 3 ? 'laboratory' : 'vital-signs',
              },
            ],
          },
        ],
        code: { coding: [{ system: 'http://loinc.org', code: lab, display: name }], text: name },
        subject,
        encounter,
        effectiveDateTime: start,
        issued: start,
        valueQuantity: {
          value: Math.round((low + next() * (high - low)) * 100) / 100,
          unit,
          system: 'http://unitsofmeasure.org',
          code: unit,
        },
      });
    }
    out.push({
      resourceType: 'DiagnosticReport',
      id: id(`report ${v}`),
      status: 'final',
      category: [
        {
          coding: [
            { system: 'http://terminology.hl7.org/CodeSystem/v2-0074', code: 'LAB', display: 'Laboratory' },
          ],
        },
      ],
      code: {
        coding: [{ system: 'http://loinc.org', code: '51990-0', display: 'Basic metabolic panel - Blood' }],
        text: 'Basic metabolic panel - Blood',
      },
      subject,
      encounter,
      effectiveDateTime: start,
      issued: start,
      result: results,
    });
    const [rx, drug] = pick(DRUGS);
    out.push({
      resourceType: 'MedicationRequest',
      id: id(`medication ${v}`),
      status: 'active',
      intent: 'order',
      medicationCodeableConcept: {
        coding: [{ system: 'http://www.nlm.nih.gov/research/umls/rxnorm', code: rx, display: drug }],
        text: drug,
      },
      subject,
      encounter,
      authoredOn: start,
      requester: practitioner,
      dosageInstruction: [
        {
          sequence: 1,
          timing: { repeat: { frequency: 2, period: 1, periodUnit: 'd' } },
          asNeededBoolean: false,
          doseAndRate: [{ doseQuantity: { value: 1 } }],
        },
      ],
    });
  }
  return out;
}
