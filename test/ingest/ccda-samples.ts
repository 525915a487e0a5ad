const SCT = 'codeSystem="2.16.840.1.113883.6.96"';
const LOINC = 'codeSystem="2.16.840.1.113883.6.1"';
const template = (suffix: string) => `<templateId root="2.16.840.1.113883.10.20.22.4.${suffix}"/>`;

export interface Parts {
  readonly sections?: string;
  readonly body?: string;
  readonly patient?: string;
  readonly prolog?: string;
}

/** A C-CDA document about the invented person of the message samples. */
export function ccda({ sections, body, patient, prolog = '' }: Parts): string {
  return `<?xml version="1.0" encoding="UTF-8"?>${prolog}<!-- made up --><ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:sdtc="urn:hl7-org:sdtc" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <id root="2.999.7" extension="DOC1"/>
  <code code="34133-9" ${LOINC} displayName="Summary of episode note"/>
  <title>Summary of Care</title>
  <effectiveTime value="20240306120000-0600"/>
  <confidentialityCode code="N"/>
  <recordTarget><patientRole>
    ${
      patient ??
      `<id root="2.999.1" extension="4711"/><id root="2.16.840.1.113883.4.1" extension="999-00-1111"/>
    <addr use="HP"><streetAddressLine>12 Pine St</streetAddressLine><city>Springfield</city><state>IL</state></addr>
    <telecom use="HP" value="tel:+1-217-555-0142"/>
    <patient><name use="L"><given>Anna</given><family>Miller</family></name>
      <administrativeGenderCode code="F"/><birthTime value="19610412"/>
      <raceCode code="2106-3" codeSystem="2.16.840.1.113883.6.238" displayName="White"/>
      <ethnicGroupCode nullFlavor="UNK"/>
      <languageCommunication><languageCode code="en"/><preferenceInd value="true"/></languageCommunication>
    </patient>`
    }
  </patientRole></recordTarget>
  <author><time value="20240306"/><assignedAuthor><id root="2.16.840.1.113883.4.6" extension="1234567893"/>
    <assignedPerson><name><prefix>Dr.</prefix><given>Greg</given><family>House</family></name></assignedPerson>
    <representedOrganization><id root="2.999.3"/><name>Lake Hospital</name></representedOrganization>
  </assignedAuthor></author>
  <custodian><assignedCustodian><representedCustodianOrganization><id root="2.999.3"/><name>Lake Hospital</name></representedCustodianOrganization></assignedCustodian></custodian>
  <componentOf><encompassingEncounter><id root="2.999.1" extension="V100"/><effectiveTime><low value="20240301"/><high value="20240305"/></effectiveTime></encompassingEncounter></componentOf>
  <component>${body ?? `<structuredBody>${sections ?? SECTIONS}</structuredBody>`}</component>
</ClinicalDocument>`;
}

const section = (code: string, title: string, text: string, entries: string) =>
  `<component><section><code code="${code}" ${LOINC}/><title>${title}</title><text>${text}</text>${entries}</section></component>`;

const problem = (id: string, attributes: string, inner: string) =>
  `<entry><act classCode="ACT" moodCode="EVN">${template('3')}<id root="2.999.8" extension="c${id}"/><statusCode code="active"/><entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN" ${attributes}>${template('4')}<id root="2.999.8" extension="${id}"/><code code="55607006" ${SCT}/><statusCode code="completed"/>${inner}</observation></entryRelationship></act></entry>`;

export const PROBLEMS = section(
  '11450-4',
  'Problems',
  '<list><item ID="p1">Heart failure</item><item>Pneumonia</item></list>',
  problem(
    'p1',
    '',
    `<effectiveTime><low value="20200115"/></effectiveTime><value xsi:type="CD" code="84114007" ${SCT}><originalText><reference value="#p1"/></originalText><translation code="I50.9" codeSystem="2.16.840.1.113883.6.90"/></value>`,
  ) +
    problem(
      'p2',
      '',
      `<effectiveTime><low value="20190101"/><high nullFlavor="UNK"/></effectiveTime><value xsi:type="CD" code="233604007" ${SCT} displayName="Pneumonia"/>`,
    ) +
    problem(
      'p3',
      'negationInd="true"',
      `<effectiveTime nullFlavor="NI"/><value xsi:type="CD" code="73211009" ${SCT} displayName="Diabetes mellitus"/>`,
    ),
);

export const NO_PROBLEMS = section(
  '11450-4',
  'Problems',
  'None',
  problem('p9', 'negationInd="true"', `<value xsi:type="CD" code="55607006" ${SCT} displayName="Problem"/>`),
);

export const SECTIONS = [
  PROBLEMS,
  section(
    '48765-2',
    'Allergies',
    '<paragraph>Penicillin: hives</paragraph>',
    `<entry><act classCode="ACT" moodCode="EVN">${template('30')}<statusCode code="active"/><entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN">${template('7')}<id root="2.999.8" extension="a1"/><code code="ASSERTION" codeSystem="2.16.840.1.113883.5.4"/><statusCode code="completed"/><effectiveTime><low value="1998"/></effectiveTime><value xsi:type="CD" code="416098002" ${SCT}/>
    <participant typeCode="CSM"><participantRole><playingEntity><code code="7980" codeSystem="2.16.840.1.113883.6.88" displayName="Penicillin"/></playingEntity></participantRole></participant>
    <entryRelationship typeCode="MFST" inversionInd="true"><observation classCode="OBS" moodCode="EVN">${template('9')}<value xsi:type="CD" code="247472004" ${SCT} displayName="Hives"/><entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN">${template('8')}<value xsi:type="CD" code="24484000" ${SCT}/></observation></entryRelationship></observation></entryRelationship>
    </observation></entryRelationship></act></entry>`,
  ),
  section(
    '10160-0',
    'Medications',
    '<table><thead><tr><th>Drug</th><th>How</th></tr></thead><tbody><tr><td ID="m1">Furosemide 40 MG</td><td>daily</td></tr></tbody></table>',
    `<entry><substanceAdministration classCode="SBADM" moodCode="EVN">${template('16')}<id root="2.999.8" extension="m1"/><statusCode code="active"/><effectiveTime xsi:type="IVL_TS"><low value="20240305"/><high nullFlavor="NI"/></effectiveTime><effectiveTime xsi:type="PIVL_TS" operator="A"><period value="24" unit="h"/></effectiveTime><routeCode code="26643006" ${SCT} displayName="Oral"/><doseQuantity value="1.50"/><consumable><manufacturedProduct><manufacturedMaterial><code code="313988" codeSystem="2.16.840.1.113883.6.88"><originalText><reference value="#m1"/></originalText></code></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry>`,
  ),
  section(
    '11369-6',
    'Immunizations',
    'Flu',
    `<entry><substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="true">${template('52')}<effectiveTime value="20231001"/><consumable><manufacturedProduct><manufacturedMaterial><code code="140" codeSystem="2.16.840.1.113883.12.292" displayName="Influenza"/></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration></entry>`,
  ),
  section(
    '47519-4',
    'Procedures',
    'Bypass',
    `<entry><procedure classCode="PROC" moodCode="EVN">${template('14')}<code code="232717009" ${SCT} displayName="Coronary artery bypass grafting"/><statusCode code="completed"/><effectiveTime value="20190510"/></procedure></entry><entry><procedure classCode="PROC" moodCode="INT">${template('14')}<code code="73761001" ${SCT} displayName="Colonoscopy"/></procedure></entry>`,
  ),
  section(
    '30954-2',
    'Results',
    'Potassium',
    `<entry><organizer classCode="BATTERY" moodCode="EVN">${template('1')}<code code="24323-8" ${LOINC} displayName="Panel"/><statusCode code="completed"/><effectiveTime><low value="20240302063000-0600"/><high value="20240302063000-0600"/></effectiveTime><component><observation classCode="OBS" moodCode="EVN">${template('2')}<code code="2823-3" ${LOINC} displayName="Potassium"/><statusCode code="completed"/><effectiveTime value="20240302063000-0600"/><value xsi:type="PQ" value="4.10" unit="mmol/L"/><interpretationCode code="N" codeSystem="2.16.840.1.113883.5.83"/><referenceRange><observationRange><value xsi:type="IVL_PQ"><low value="3.5" unit="mmol/L"/><high value="5.1" unit="mmol/L"/></value></observationRange></referenceRange></observation></component><component><observation classCode="OBS" moodCode="EVN">${template('2')}<code code="2345-7" ${LOINC} displayName="Glucose"/><statusCode code="completed"/><effectiveTime value="20240302"/><value xsi:type="IVL_PQ"><high value="20" unit="mg/dL" inclusive="false"/></value></observation></component><component><observation classCode="OBS" moodCode="EVN">${template('2')}<code code="2951-2" ${LOINC} displayName="Sodium"/><statusCode code="active"/><value xsi:type="PQ" nullFlavor="NAV"/></observation></component></organizer></entry>`,
  ),
  section(
    '8716-3',
    'Vital Signs',
    'BP',
    `<entry><organizer classCode="CLUSTER" moodCode="EVN">${template('26')}<effectiveTime value="20240305"/><component><observation classCode="OBS" moodCode="EVN">${template('27')}<code code="8480-6" ${LOINC} displayName="Systolic"/><statusCode code="completed"/><value xsi:type="PQ" value="132" unit="mm[Hg]"/></observation></component></organizer></entry>`,
  ),
  section(
    '29762-2',
    'Social History',
    'Former smoker',
    `<entry><observation classCode="OBS" moodCode="EVN">${template('78')}<code code="72166-2" ${LOINC} displayName="Tobacco smoking status"/><statusCode code="completed"/><effectiveTime value="20240305"/><value xsi:type="CD" code="8517006" ${SCT} displayName="Former smoker"/></observation></entry>`,
  ),
].join('\n');

export const nonXml = (mediaType: string, bytes: Buffer): string =>
  ccda({
    body: `<nonXMLBody><text mediaType="${mediaType}" representation="B64">${bytes.toString('base64')}</text></nonXMLBody>`,
  });
