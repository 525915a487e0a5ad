import { Fault } from '../core/fault.js';

/**
 * Words that FHIR bodies are made of, for the compressor to point back at: element names, common systems and codes of
 * the specification itself. Written by hand, never taken from a patient's data. A vocabulary is part of the stored
 * format: one that was released is never changed, a better one gets the next number.
 *
 * deflate finds nearer matches cheaper, so the commonest fragments stand last.
 */
const FRAGMENTS_1 = [
  // Rarer resources and elements.
  '"comparator":"<=","http://terminology.hl7.org/CodeSystem/organization-type","http://terminology.hl7.org/CodeSystem/location-physical-type"',
  '"instantiatesCanonical":["instantiatesUri":["implicitRules":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-',
  '"bodySite":[{"coding":[{"laterality":"fastingStatus","collection":{"collector":{"reference":"Practitioner/',
  '"repeat":{"boundsPeriod":{"frequency":1,"period":1.0,"periodUnit":"d","asNeededBoolean":false,"doseAndRate":[{"type":{"coding":[{"doseQuantity":{"value":1,"unit":"mg"',
  '"http://terminology.hl7.org/CodeSystem/dose-rate-type","code":"ordered","display":"Ordered"',
  '"dosageInstruction":[{"sequence":1,"text":"Take as directed","timing":{"code":{"text":"route":{"coding":[{"method":{"',
  '"dispenseRequest":{"numberOfRepeatsAllowed":0,"quantity":{"value":30,"expectedSupplyDuration":{"value":30,"unit":"days","initialFill":{',
  '"substitution":{"allowedBoolean":true}',
  '"contact":[{"relationship":[{"managingOrganization":{"generalPractitioner":[{"reference":"Practitioner/"communication":[{"language":{"coding":[{"system":"urn:ietf:bcp:47","code":"en-US","display":"English"}],"text":"English"}}]',
  '"deceasedBoolean":false"deceasedDateTime":"multipleBirthBoolean":false"multipleBirthInteger":"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M","display":"Married"}],"text":"Married"}',
  '"address":[{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/geolocation","extension":[{"url":"latitude","valueDecimal":{"url":"longitude","valueDecimal":-7}]}],"line":["Street","Avenue"],"city":"","state":"","postalCode":"0","country":"US"}]',
  '"telecom":[{"system":"phone","value":"555-","use":"home"},{"system":"email","value":"use":"work","use":"mobile"',
  '"name":[{"use":"official","family":"","given":[""],"prefix":["Mr."],"prefix":["Mrs."],"prefix":["Ms."],"prefix":["Dr."],"suffix":["MD"]},{"use":"maiden","family":"","use":"usual","use":"nickname"',
  '"gender":"male","birthDate":"19"gender":"female","birthDate":"20"gender":"unknown""gender":"other"',
  '"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3","display":"White"}},{"url":"text","valueString":"White"}]},{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity","extension":[{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2186-5","display":"Not Hispanic or Latino"}},{"url":"text","valueString":"Not Hispanic or Latino"}]},{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex","valueCode":"F"',
  '"http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName","valueString":"http://hl7.org/fhir/StructureDefinition/patient-birthPlace","valueAddress":{"city":""state":""country":"US"}',
  '"identifier":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR","display":"Medical Record Number"}],"text":"Medical Record Number"},"system":"http://hospital.example.org","value":""},{"code":"SS","display":"Social Security Number"}],"text":"Social Security Number"},"system":"http://hl7.org/fhir/sid/us-ssn","value":"999-"code":"DL""code":"PPN""system":"http://hl7.org/fhir/sid/us-npi","value":"99999',
  '"linkId":"answer":[{"valueBoolean":true"item":[{"questionnaire":"component":[{"code":{"coding":[{"dataAbsentReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason","code":"unknown"',
  '"participant":[{"member":[{"type":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"PPRF","display":"primary performer"}],"text":"primary performer"}],"individual":{"reference":"Practitioner/","display":"Dr. "}}]',
  '"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"code":"IMP"},"code":"EMER"},"display":"ambulatory""serviceProvider":{"reference":"Organization/","display":""},"location":[{"location":{"reference":"Location/"hospitalization":{"dischargeDisposition":{"coding":[{"system":"http://www.nubc.org/patient-discharge"',
  '"resourceType":"Claim","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/claim-type","code":"professional"}]},"code":"institutional"},"code":"pharmacy","use":"claim","billablePeriod":{"provider":{"reference":"priority":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/processpriority","code":"normal"}]},"insurance":[{"sequence":1,"focal":true,"coverage":{"display":""}}],"item":[{"sequence":2,"productOrService":{"coding":[{"encounter":[{"reference":"diagnosisSequence":[1],"procedureSequence":[1],"prescription":{"reference":"MedicationRequest/"total":{"value":0.0,"currency":"USD"}',
  '"ExplanationOfBenefit""outcome":"complete","insurer":{"display":"careTeam":[{"sequence":1,"provider":{"reference":"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/claimcareteamrole","code":"primary","display":"Primary provider"}]}}],"adjudication":[{"category":{"coding":[{"system":"https://bluebutton.cms.gov/resources/codesystem/adjudication","code":"https://bluebutton.cms.gov/resources/variables/line_"amount":{"value":,"currency":"USD"}},"servicedPeriod":{"locationCodeableConcept":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/ex-serviceplace","payment":{"amount":{"contained":[{"resourceType":"Coverage","id":"coverage","payor":[{"display":"referral":{"reference":"#referral"}',
  '"activity":[{"detail":{"kind":"ServiceRequest","status":"in-progress","description":"addresses":[{"reference":"careTeam":[{"reference":"goal":[{"reference":"Goal/"lifecycleStatus":"active","achievementStatus":{"target":[{"measure":{"detailQuantity":{"dueDate":"intent":"plan"',
  '"vaccineCode":{"coding":[{"system":"http://hl7.org/fhir/sid/cvx","code":"140","display":"occurrenceDateTime":"primarySource":true,"lotNumber":"expirationDate":"site":{"doseQuantity":{"protocolApplied":[{"doseNumberPositiveInt":1',
  '"resourceType":"AllergyIntolerance","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]},"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-verification","code":"confirmed"}]},"type":"allergy","category":["medication"],"category":["food"],"category":["environment"],"criticality":"low","criticality":"high","reaction":[{"manifestation":[{"severity":"mild""severity":"moderate"',
  '"resourceType":"ImagingStudy","started":"numberOfSeries":1,"numberOfInstances":1,"series":[{"uid":"urn:oid:1.2.840.99999999","number":1,"modality":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"CT"},"instance":[{"uid":"sopClass":{"system":"urn:ietf:rfc:3986","code":"urn:oid:1.2.840.10008.5.1.4.1.1',
  '"udiCarrier":[{"deviceIdentifier":"carrierHRF":"(01)"manufactureDate":"distinctIdentifier":"serialNumber":"deviceName":[{"name":"type":"user-friendly-name"}]',
  '"agent":[{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/provenance-participant-type","code":"author","display":"Author"}]},"who":{"reference":"onBehalfOf":{"reference":"target":[{"reference":"recorded":"entity":[{"role":"source","what":{"reference":"DocumentReference/"',
  '"https://cenote.health/fhir/CodeSystem/origin","https://cenote.health/fhir/CodeSystem/review","https://cenote.health/fhir/StructureDefinition/derived-from-document","valueReference":{"reference":"DocumentReference/"}},{"url":"https://cenote.health/fhir/StructureDefinition/source-version","valueString":"1"},{"url":"https://cenote.health/fhir/StructureDefinition/source-span","extension":[{"url":"start","valueInteger":1},{"url":"end","valueInteger":1},{"url":"text","valueString":"https://cenote.health/fhir/StructureDefinition/derivation-score","valueDecimal":0.9},{"url":"https://cenote.health/fhir/StructureDefinition/pipeline-version","valueString":"https://cenote.health/fhir/StructureDefinition/derivation-rule","https://cenote.health/fhir/StructureDefinition/date-source","valueCode":"document"}',
  '"docStatus":"final","type":{"coding":[{"system":"http://loinc.org","code":"34117-2","display":"History and physical note"},{"system":"http://loinc.org","code":"51847-2","display":"Evaluation + Plan note"}]},"category":[{"coding":[{"system":"http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category","code":"clinical-note","display":"Clinical Note"}]}],"author":[{"reference":"Practitioner/"custodian":{"reference":"Organization/"content":[{"attachment":{"contentType":"text/plain; charset=utf-8","data":"format":{"system":"http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem","code":"urn:ihe:iti:xds:2017:mimeTypeSufficient","display":"mimeType Sufficient"}}],"context":{"encounter":[{"reference":"Encounter/"}],"period":{"start":"',
  // Common clinical statements.
  '"http://www.nlm.nih.gov/research/umls/rxnorm","medicationCodeableConcept":{"coding":[{"system":"http://www.nlm.nih.gov/research/umls/rxnorm","code":"medicationReference":{"reference":"Medication/"intent":"order","status":"stopped","status":"active","status":"completed","status":"finished","status":"final","status":"current","authoredOn":"requester":{"reference":"Practitioner/"reasonReference":[{"reference":"Condition/"reasonCode":[{"coding":[{"informationSource":{"effectivePeriod":{"dateAsserted":"dosage":[{"text":"',
  '"http://hl7.org/fhir/sid/icd-10-cm","http://hl7.org/fhir/sid/icd-10","http://unitsofmeasure.org","urn:oid:2.16.840.1.113883.',
  '"resourceType":"DiagnosticReport","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0074","code":"LAB","display":"Laboratory"}]}],"result":[{"reference":"Observation/","display":"conclusion":"presentedForm":[{"contentType":"text/plain","data":"performer":[{"reference":"Practitioner/","display":"',
  '"resourceType":"Procedure","status":"completed","performedPeriod":{"start":"20","end":"20"},"performedDateTime":"20',
  '"resourceType":"Condition","clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},"code":"resolved"}]},"verificationStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-ver-status","code":"confirmed"}]},"code":"unconfirmed"}]},"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-category","code":"encounter-diagnosis","display":"Encounter Diagnosis"}]}],"code":"problem-list-item","display":"Problem List Item"}]}],"code":{"coding":[{"system":"http://snomed.info/sct","code":"","display":" (disorder)"}],"text":" (disorder)"},"display":" (finding)"}],"text":" (finding)"},"display":" (situation)"}],"text":" (procedure)"},"subject":{"reference":"Patient/"},"encounter":{"reference":"Encounter/"},"onsetDateTime":"","abatementDateTime":"","recordedDate":"',
  '"period":{"start":"20","end":"20"valuePeriod":{"valueString":"valueBoolean":"valueInteger":"valueCode":"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"","display":"',
  '"referenceRange":[{"low":{"value":"high":{"value":"interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"H","display":"High"}]}],"note":[{"text":"hasMember":[{"reference":"Observation/"',
  // Observation, the commonest of all, last.
  '{"meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]},"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/"text":{"status":"generated","div":"<div xmlns=\\"http://www.w3.org/1999/xhtml\\">',
  '"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4","display":"Diastolic Blood Pressure"}],"text":"Diastolic Blood Pressure"},"valueQuantity":{"value":80,"unit":"mm[Hg]","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6","display":"Systolic Blood Pressure"}],"text":"Systolic Blood Pressure"}',
  '{"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}]}],"code":"survey","display":"survey"}]}],"code":"social-history","display":"social-history"}]}],"code":"laboratory","display":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"","display":""}],"text":""},"subject":{"reference":"Patient/"},"encounter":{"reference":"Encounter/"},"effectiveDateTime":"20","issued":"20","valueQuantity":{"value":1,"unit":"","system":"http://unitsofmeasure.org","code":"mg/dL"}}',
];

const dictionaries: readonly Buffer[] = [Buffer.alloc(0), Buffer.from(FRAGMENTS_1.join(''), 'utf8')];

export const NEWEST_DICTIONARY = 1;

/** @throws Fault `integrity` for a number this release does not know. */
export function dictionaryOf(number: number): Buffer {
  const dictionary = dictionaries[number];
  if (!dictionary)
    throw new Fault(
      'integrity',
      'A stored body was compressed with a vocabulary that this release does not know.',
      {
        remedy: 'Use the release that wrote it, or a newer one.',
      },
    );
  return dictionary;
}
