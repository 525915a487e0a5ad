/** Messages of two invented people, one segment a line. */
const message = (...segments: string[]) => segments.join('\r');

const PID =
  'PID|1||4711^^^LAKE&2.999.1&ISO^MR||MILLER^ANNA^B^^^^L||19610412|F|||12 Pine St^^Springfield^IL^62701^USA^H||^PRN^PH^^1^217^5550142';

export const ADMISSION = message(
  'MSH|^~\\&|ADM|LAKE|CENOTE|LAKE|20240301101500-0600||ADT^A01^ADT_A01|M1|P|2.5.1',
  'EVN|A01|20240301101500',
  PID,
  'NK1|1|MILLER^JOHN|SPO^Spouse^HL70063|12 Pine St^^Springfield^IL|2175550143',
  'PV1|1|I|4W^401^A^LAKE HOSPITAL||||1001^HOUSE^GREG^^^DR^^^LAKE&2.999.1&ISO||||||||||||V100^^^LAKE&2.999.1&ISO^VN|||||||||||||||||||||||||20240301100000',
  'PV2|||^Shortness of breath',
  'AL1|1|DA|7980^Penicillin^RXNORM|SV|Hives',
  'DG1|1||I50.9^Heart failure, unspecified^I10|Heart failure|20240301|W',
  'PR1|1||232717009^Coronary artery bypass grafting^SCT||20190510',
);

/** The same stay, ended; without what the admission said of the person. */
export const DISCHARGE = message(
  'MSH|^~\\&|ADM|LAKE|CENOTE|LAKE|20240305120000-0600||ADT^A03^ADT_A03|M2|P|2.5.1',
  'PID|1||4711^^^LAKE&2.999.1&ISO^MR||MILLER^ANNA^B^^^^L||19610412|F',
  'PV1|1|I|||||||||||||||||V100^^^LAKE&2.999.1&ISO^VN|||||||||||||||||01||||||||20240301100000|20240305113000',
);

/** The same person under another number first, and less known of her. */
export const RESULTS = message(
  'MSH|^~\\&|LAB|LAKE|CENOTE|LAKE|20240302080000-0600||ORU^R01^ORU_R01|M3|P|2.5.1',
  'PID|1||99887^^^LABSYS&2.999.2&ISO^PI~4711^^^LAKE&2.999.1&ISO^MR||MILLER^ANNA',
  'ORC|RE|P55^LAKE|F77^LAB',
  'OBR|1|P55^LAKE|F77^LAB|24323-8^Comprehensive metabolic panel^LN|||20240302063000-0600|||||||||||||||20240302075500-0600||LAB|F',
  'OBX|1|NM|2823-3^Potassium^LN||4.10|mmol/L^^UCUM|3.5-5.1|N|||F',
  'NTE|1||Slightly haemolysed\\.br\\Repeat if high',
  'OBX|2|SN|2345-7^Glucose^LN||>^400|mg/dL^^UCUM|70-99|HH|||F',
  'OBX|3|CWE|5778-6^Color of Urine^LN||371254008^Yellow^SCT||||||F',
  'OBX|4|ST|XX^Comment^L||A \\T\\ B||||||F',
  'OBR|2|P56^LAKE|F78^RAD|36643-5^XR Chest 2 Views^LN|||20240302070000-0600|||||||||||||||20240302091000-0600||RAD|F',
  'OBX|1|FT|36643-5^XR Chest 2 Views^LN||FINDINGS: No pneumothorax.||||||F',
  'OBX|2|FT|36643-5^XR Chest 2 Views^LN||IMPRESSION: Mild cardiomegaly.||||||F',
);

export const NOTE = message(
  'MSH|^~\\&|DICT|LAKE|CENOTE|LAKE|20240305130000-0600||MDM^T02^MDM_T02|M4|P|2.5.1',
  'EVN|T02|20240305130000',
  'PID|1||4711^^^LAKE&2.999.1&ISO^MR||MILLER^ANNA^B',
  'PV1|1|I|||||||||||||||||V100^^^LAKE&2.999.1&ISO^VN',
  'TXA|1|DS|TX|20240305125500-0600|1001^HOUSE^GREG^^^DR^^^LAKE&2.999.1&ISO|||||||D900^DICT|||||AU',
  'OBX|1|TX|||DISCHARGE MEDICATIONS:||||||F',
  'OBX|2|TX|||Furosemide 40 mg by mouth daily.||||||F',
);

export const VACCINATION = message(
  'MSH|^~\\&|IIS|LAKE|CENOTE|LAKE|20240901090000-0500||VXU^V04^VXU_V04|M5|P|2.5.1',
  'PID|1||4711^^^LAKE&2.999.1&ISO^MR||MILLER^ANNA^B||19610412|F',
  'ORC|RE||IZ1^LAKE',
  'RXA|0|1|20240901||140^Influenza, seasonal, injectable, preservative free^CVX|0.5|mL^^UCUM||00^New record^NIP001||||||L123|20250630|PMC^Sanofi Pasteur^MVX|||CP|A',
  'RXR|IM^Intramuscular^HL70162|LD^Left Deltoid^HL70163',
  'OBX|1|CE|64994-7^Funding eligibility^LN|1|V01^Not eligible^HL70064||||||F',
  'ORC|RE||IZ2^LAKE',
  'RXA|0|1|20240901||33^pneumococcal polysaccharide PPV23^CVX|999||||||||||||00^Parental decision^NIP002||RE',
);

export const PRESCRIPTION = message(
  'MSH|^~\\&|RX|LAKE|CENOTE|LAKE|20240306090000-0600||RDE^O11^RDE_O11|M6|P|2.5.1',
  'PID|1||4711^^^LAKE&2.999.1&ISO^MR||MILLER^ANNA^B||19610412|F',
  'ORC|NW|RX900^LAKE|||||||20240306085500-0600|||1001^HOUSE^GREG^^^DR^^^LAKE&2.999.1&ISO',
  'RXE||860975^metformin hydrochloride 500 MG Oral Tablet^RXNORM|500||mg^^UCUM||^Take one tablet twice daily with meals|||60|TAB^tablet|3',
  'RXR|PO^Oral^HL70162',
  'TQ1|1||BID',
);

export const ACKNOWLEDGEMENT = message(
  'MSH|^~\\&|ADM|LAKE|CENOTE|LAKE|20240301101500||ACK|M7|P|2.5.1',
  'MSA|AA|M1',
);

export const MERGE = message(
  'MSH|^~\\&|ADM|LAKE|CENOTE|LAKE|20240401101500-0600||ADT^A40^ADT_A39|M8|P|2.5.1',
  'PID|1||4711^^^LAKE&2.999.1&ISO^MR||MILLER^ANNA^B',
  'MRG|5000^^^LAKE&2.999.1&ISO^MR',
);

/** All of them as a batch file, with the line ends of another system and framed for the wire. */
export const BATCH = [
  'FHS|^~\\&|ADM|LAKE',
  'BHS|^~\\&|ADM|LAKE',
  ...[ADMISSION, DISCHARGE, ACKNOWLEDGEMENT, RESULTS, NOTE, VACCINATION, PRESCRIPTION, MERGE].map((m) =>
    `\v${m}\r\x1c`.replaceAll('\r', '\r\n'),
  ),
  'BTS|8',
  'FTS|1',
].join('\n');
