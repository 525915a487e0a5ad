import type { Resource } from '../../../src/core/resource.js';

/**
 * One search for each type of parameter, modifier and prefix, over `recordsOf` and `otherRecords`. Each finds few of
 * many, since only then an index makes a difference. `reads: 'all'` says that it may read every row of its type, or
 * every one that has a value: no index keeps what does not match. `src/search/README.md` lists those.
 */
export interface Probe {
  readonly name: string;
  readonly query: string;
  readonly reads?: 'all';
}

const LOINC = 'http://loinc.org';
const UCUM = 'http://unitsofmeasure.org';
const MRN = 'https://hospital.example.org/mrn';
const V2 = 'http://terminology.hl7.org/CodeSystem/v2-0203';

const by = (name: string, query: string): Probe => ({ name, query });
const all = (name: string, query: string): Probe => ({ name, query, reads: 'all' });

/** `patient` and `encounter` are ids of the records; `date` a day with few of them. */
export const probesOf = (ids: { patient: string; encounter: string }): readonly Probe[] => [
  by('string', 'Patient?family=family17'),
  by('string :exact', 'Patient?family:exact=Family17'),
  by('string :contains', 'Patient?family:contains=mily17'),
  all('string :contains, under three letters', 'Patient?family:contains=z'),
  by('string :missing=false', 'Questionnaire?title:missing=false'),
  all('string :missing=true', 'Patient?family:missing=true'),
  by('string, phonetic', 'Patient?phonetic=smithson'),
  by('token', `Patient?identifier=${MRN}|MRN100007`),
  by('token, code alone', 'Patient?identifier=MRN100007'),
  by('token, system alone', 'Patient?identifier=urn:none|'),
  by('token, no system', 'Patient?identifier=|MRN100007'),
  by('token :text', 'Patient?identifier:text=account'),
  by('token :code-text', 'Questionnaire?status:code-text=dra'),
  all('token :not', 'Patient?gender:not=male,female'),
  by('token :of-type', `Patient?identifier:of-type=${V2}|MR|MRN100007`),
  by('token :in', 'Condition?code:in=http://bench.example.org/rare'),
  all('token :not-in', 'Condition?code:not-in=http://bench.example.org/common'),
  by('token :below', 'Observation?code:below=http://bench.example.org/codes|rare'),
  by('token :above', 'Observation?code:above=http://bench.example.org/codes|rarest'),
  all('token :missing=true', 'Observation?code:missing=true'),
  by('reference', `Observation?encounter=Encounter/${ids.encounter}`),
  by('reference, id alone', `Observation?subject=${ids.patient}`),
  by('reference :Type', `Observation?subject:Patient=${ids.patient}`),
  by('reference :identifier', 'Observation?subject:identifier=urn:none|1'),
  all('reference :missing=true', 'Observation?encounter:missing=true'),
  by('reference by url', 'QuestionnaireResponse?questionnaire=http://bench.example.org/q/3'),
  by('date eq', 'Encounter?date=2015-06-07T10:00Z'),
  by('date, day', 'Observation?date=2015-06-07'),
  by('date ne', 'Patient?birthdate=ne2000&_id=none'),
  by('quantity ne', 'Observation?value-quantity=ne5&_id=none'),
  by('date gt', 'Observation?date=gt2030'),
  by('date lt', 'Observation?date=lt2011'),
  by('date ge', 'Observation?date=ge2030'),
  by('date le', 'Observation?date=le2011'),
  by('date sa', 'Observation?date=sa2030'),
  by('date eb', 'Observation?date=eb2011'),
  by('date ap', 'Observation?date=ap1990-01-01'),
  by('date range', 'Observation?date=ge2014-01-01&date=lt2014-01-02'),
  by('date range of periods', 'Encounter?date=ge2014-01-01&date=lt2014-01-02'),
  all('date :missing=true', 'Observation?date:missing=true'),
  by('quantity eq', 'Observation?value-quantity=219.99'),
  by('quantity with unit', `Observation?value-quantity=299.99|${UCUM}|mg/dL`),
  by('quantity converted', `Observation?value-quantity=2.9999|${UCUM}|g/L`),
  by('quantity gt', `Observation?value-quantity=gt299.9|${UCUM}|mg/dL`),
  by('quantity lt', `Observation?value-quantity=lt0.41|${UCUM}|mg/dL`),
  by('quantity ge', 'Observation?value-quantity=ge299.9'),
  by('quantity le', 'Observation?value-quantity=le0.41'),
  by('quantity ap', `Observation?value-quantity=ap500|${UCUM}|mg/dL`),
  by('quantity sa', 'Observation?value-quantity=sa299.9'),
  by('quantity eb', 'Observation?value-quantity=eb0.41'),
  by('number', 'RiskAssessment?probability=gt0.9'),
  by('composite', `Observation?code-value-quantity=${LOINC}|2339-0$gt219.9`),
  by('code and quantity', `Observation?code=${LOINC}|2339-0&value-quantity=gt219.9`),
  by('uri', 'Questionnaire?url=http://bench.example.org/q/3'),
  by('uri :below', 'Questionnaire?url:below=http://bench.example.org/q/3'),
  by('uri :above', 'Questionnaire?url:above=http://bench.example.org/q/3/x'),
  by('near', 'Location?near=10.5|20.5|1|km'),
  by('_id', `Patient?_id=${ids.patient}`),
  by('_lastUpdated', 'Observation?_lastUpdated=gt2090'),
  by('_tag', 'Observation?_tag=urn:none|x'),
  by('_profile', 'Observation?_profile=http://none.example.org'),
  by('_security', 'Observation?_security=R'),
  by('_source', 'Observation?_source=http://none.example.org'),
  by('_text', 'Questionnaire?_text=narrated3'),
  by('_content', 'Questionnaire?_content=mood3'),
  by('_list', 'Patient?_list=bench'),
  by(
    '_filter',
    `Observation?_filter=subject re Patient/${ids.patient} and (status eq final or status eq amended)`,
  ),
  by('_filter, strings equal', 'Patient?_filter=family eq family17'),
  all('_filter, strings in order', 'Patient?_filter=family gt zz'),
  by('chain', 'Observation?patient.identifier=MRN100007'),
  by(
    'chain of five',
    'QuestionnaireResponse?questionnaire._has:QuestionnaireResponse:questionnaire:subject:Patient._has:Encounter:subject:date=gt2030',
  ),
  by('_has', 'Patient?_has:Observation:patient:date=gt2030'),
  by('chain through a canonical', 'QuestionnaireResponse?questionnaire.title=mood3'),
  by('several types', `?_type=Observation,Condition&patient=Patient/${ids.patient}`),
  by('OR of values', `Patient?identifier=MRN100007,MRN100008,MRN100009`),
  by('AND of parameters', 'Patient?family=family17&given=given17&gender=male'),
];

/** What the records of patients have not: definitions, places, and answers that name them. */
export function otherRecords(patients: readonly string[]): Resource[] {
  const out: Resource[] = [];
  for (let n = 0; n < patients.length; n++) {
    out.push(
      {
        resourceType: 'Questionnaire',
        id: `q${n}`,
        url: `http://bench.example.org/q/${n}`,
        status: n === 0 ? 'draft' : 'active',
        ...(n === 0 ? { title: 'First' } : {}),
        description: `About mood${n}`,
        text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">narrated${n}</div>` },
      },
      {
        resourceType: 'QuestionnaireResponse',
        id: `qr${n}`,
        status: 'completed',
        questionnaire: `http://bench.example.org/q/${n}`,
        subject: { reference: `Patient/${patients[n]}` },
      },
      {
        resourceType: 'Location',
        id: `loc${n}`,
        position: { latitude: -80 + ((n * 7.3) % 160), longitude: -170 + ((n * 13.7) % 340) },
      },
      {
        resourceType: 'RiskAssessment',
        id: `risk${n}`,
        status: 'final',
        subject: { reference: `Patient/${patients[n]}` },
        prediction: [{ probabilityDecimal: (n % 89) / 100 }],
      },
    );
  }
  const codes = 'http://bench.example.org/codes';
  const set = (id: string, code: string): Resource => ({
    resourceType: 'ValueSet',
    id,
    url: `http://bench.example.org/${id}`,
    status: 'active',
    compose: { include: [{ system: 'http://snomed.info/sct', concept: [{ code }] }] },
  });
  out.push(
    {
      resourceType: 'List',
      id: 'bench',
      status: 'current',
      mode: 'working',
      entry: [{ item: { reference: `Patient/${patients[0]}` } }],
    },
    set('rare', '1'),
    {
      ...set('common', '44054006'),
      compose: {
        include: [
          {
            system: 'http://snomed.info/sct',
            concept: ['44054006', '38341003', '195662009', '444814009', '55822004'].map((code) => ({ code })),
          },
        ],
      },
    },
    {
      resourceType: 'CodeSystem',
      id: 'codes',
      url: codes,
      status: 'active',
      content: 'complete',
      concept: [{ code: 'rare', concept: [{ code: 'rarest' }] }],
    },
  );
  return out;
}
