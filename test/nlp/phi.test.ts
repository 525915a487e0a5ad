import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findPhi, redact } from '../../nlp/6-phi/index.js';
import { phiRules } from '../../nlp/6-phi/rules.js';

const redacted = (text: string, known?: Parameters<typeof findPhi>[1]) => redact(text, findPhi(text, known));

describe('each title, name label and number label', () => {
  it.each([...phiRules.titles, ...phiRules.nameLabels].map((row) => row.example))('%s', (example) => {
    const text = example.replace(/[{}]/g, '');
    const words = /\{(.*)\}/.exec(example)![1];
    expect(findPhi(text).map((m) => [m.kind, m.text])).toEqual([['name', words]]);
  });

  it.each(phiRules.idLabels)('$example', ({ kind, example }) => {
    const text = example.replace(/[{}]/g, '');
    const words = /\{(.*)\}/.exec(example)![1];
    expect(findPhi(text).map((m) => [m.kind, m.text])).toEqual([[kind, words]]);
  });
});

describe('personal data is found', () => {
  it.each([
    ['Dr. Okonkwo recommends a CT.', 'Dr. [NAME] recommends a CT.'],
    ['DR. ADLER was paged.', 'DR. [NAME] was paged.'],
    ['Seen with Dr Anna van der Meer today', 'Seen with Dr [NAME] today'],
    ['Mrs. O\u2019Brien-Castellan feels well.', 'Mrs. [NAME] feels well.'],
    ['Mr. Will Harker fell.', 'Mr. [NAME] fell.'],
    ["Ms. Thornbury's daughter drove.", "Ms. [NAME]'s daughter drove."],
    ['Patient: THORNBURY, ELSIE M.', 'Patient: [NAME].'],
    ['Name: Elsie Thornbury  DOB: 03/14/1951', 'Name: [NAME]  DOB: [DATE]'],
    ['PATIENT NAME: Birgit Lindqvist\nMRN: 00482913', 'PATIENT NAME: [NAME]\nMRN: [MRN]'],
    ['Attending: Dr. I. Achterberg', 'Attending: Dr. [NAME]'],
    [
      'Electronically signed by Ilse Achterberg, MD on 2024-05-02',
      'Electronically signed by [NAME], MD on [DATE]',
    ],
    ['Ilse Achterberg, M.D.', '[NAME], M.D.'],
    ['J. Petrovic RN', '[NAME] RN'],
    ['Jennifer Kowalski was admitted.', '[NAME] was admitted.'],
    ['Tom is not prescribed Advil.', '[NAME] is not prescribed Advil.'],
    ['Her husband Mark is with her.', 'Her husband [NAME] is with her.'],
    ['Lives with her daughter, Rosa.', 'Lives with her daughter, [NAME].'],
    ['A dog named Bruno', 'A dog named [NAME]'],
    ['Dr. Okonkwo called. Okonkwo will follow.', 'Dr. [NAME] called. [NAME] will follow.'],
    ['cc: Dr. Mei Zhang', 'cc: Dr. [NAME]'],
    ['Dear Dr. Lindqvist,', 'Dear Dr. [NAME],'],
    ['He can come on June 21st. He drives.', 'He can come on [DATE]. He drives.'],
    ['fever since Tuesday 4/18 and cough', 'fever since Tuesday [DATE] and cough'],
    ['Caller: Priscilla Nakagawa (mother)', 'Caller: [NAME] (mother)'],
    ['KOSTOPOULOS, NIKO 38M', '[NAME] 38M'],
    ['seen by J. Delacroix', 'seen by [NAME]'],
    ['Her niece Solvei drove.', 'Her niece [NAME] drove.'],
    ['55 Hope Street, Providence', '[ADDRESS]'],
    ['Northgate Pathology Associates', '[ORGANISATION]'],
    ['page him, pager 4471', 'page him, pager [PHONE]'],
    ['DOB 3/4/51', 'DOB [DATE]'],
    ['Admitted 12-31-2023, discharged 1/4/24.', 'Admitted [DATE], discharged [DATE].'],
    ['On March 3rd, 2021 he fell.', 'On [DATE] he fell.'],
    ['seen 14 Feb 2020', 'seen [DATE]'],
    ['2021-04-05T09:00:00Z', '[DATE]'],
    ['05.11.2022 Kontrolle', '[DATE] Kontrolle'],
    ['surgery in May 2018', 'surgery in [DATE]'],
    ['Sept. 14 she fell', '[DATE] she fell'],
    ['last colonoscopy 06/2019', 'last colonoscopy [DATE]'],
    ['fell on 3/14 at home', 'fell on [DATE] at home'],
    ['since November she coughs', 'since [DATE] she coughs'],
    ['a 92-year-old woman', 'a [AGE] woman'],
    ['94 yo M', '[AGE] M'],
    ['Age: 101', 'Age: [AGE]'],
    ['a man in his 90s', 'a man in his [AGE]'],
    ['MRN#4821993', 'MRN#[MRN]'],
    ['Medical Record Number: A-482-199', 'Medical Record Number: [MRN]'],
    ['MR # 48219', 'MR # [MRN]'],
    ['Account No. 7730214', 'Account No. [ACCOUNT]'],
    ['SSN 900-55-0199', 'SSN [SSN]'],
    ['social security number xxx-xx-0199', 'social security number [SSN]'],
    ['Call (555) 555-0142.', 'Call [PHONE].'],
    ['Cell 555.555.0142 ext 12', 'Cell [PHONE]'],
    ['+44 20 7946 0958', '[PHONE]'],
    ['tel: 555-0142', 'tel: [PHONE]'],
    ['Fax: (555) 555-0143', 'Fax: [FAX]'],
    ['write to elsie.t@mail.example', 'write to [EMAIL]'],
    ['see https://portal.example/p/482?x=1 for results', 'see [URL] for results'],
    ['www.mercy.example/visit', '[URL]'],
    ['logged in from 192.0.2.44', 'logged in from [IP]'],
    ['host 2001:db8:0:0:0:0:2:1', 'host [IP]'],
    ['lives at 482 Maple Street, Apt 3', 'lives at [ADDRESS]'],
    ['45 N. Oak Ave', '[ADDRESS]'],
    ['P.O. Box 4821', '[ADDRESS]'],
    ['Springfield, IL 62704', '[ADDRESS]'],
    ['Address: 12 Elm Rd, Dover', 'Address: [ADDRESS]'],
    ['He lives in Westhaven.', 'He lives in [ADDRESS].'],
    ['zip 62704', 'zip [ADDRESS]'],
    ['transferred from St. Brigid Medical Center', 'transferred from [ORGANISATION]'],
    ['Admitted to Westhaven General Hospital.', 'Admitted to [ORGANISATION].'],
    ['lives at Larkspur Nursing Home', 'lives at [ORGANISATION]'],
    ['serial # PJN482913', 'serial # [DEVICE]'],
    ['NPI: 1234567893', 'NPI: [LICENSE]'],
    ['Medicare ID: 1EG4-TE5-MK73', 'Medicare ID: [HEALTH-PLAN]'],
    ['VIN 1HGBH41JXMN109186', 'VIN [VEHICLE]'],
    ['Accession: S24-10482', 'Accession: [ID]'],
  ])('%s', (text, expected) => expect(redacted(text)).toBe(expected));
});

describe('clinical words are left alone', () => {
  it.each([
    'Parkinson disease, stable on carbidopa-levodopa.',
    "Parkinson's tremor.",
    'Foley catheter placed. Foley removed.',
    'May have soft diet. May shower.',
    'Will follow up. Will continue aspirin.',
    'Rose from chair unaided.',
    'Rose Bengal stain negative.',
    'Hodgkin lymphoma, Crohn disease, Graves disease, Bell palsy.',
    'Murphy sign negative. Babinski down-going. Romberg negative.',
    'Wilson disease, Addison crisis, Cushing syndrome, Turner syndrome, Down syndrome.',
    'Swan-Ganz catheter, Whipple procedure, Hartmann pouch.',
    'Glasgow Coma Scale 15. Apgar 8 and 9.',
    'Patient denies chest pain. Patient: denies fever.',
    'BP 120/80, HR 72, T 98.6, RR 16, SpO2 97%.',
    'Strength 5/5, reflexes 2/4, pain 3/10.',
    'Take 1/2 tablet daily. 1-2 tablets PRN.',
    'Metformin 500 mg BID, MS Contin 15 mg.',
    'Grade 2/6 systolic murmur.',
    'a 62-year-old man, 89 yo wife',
    'WBC 12.3, Hgb 10.2, K 4.1, Na 138.',
    'RUQ pain, N/V. PMH GERD.',
    'Diabetes clinic follow-up; Coumadin Clinic; Primary Care Clinic.',
    'HOSPITAL COURSE: uneventful. Hospital Course by problem.',
    'Mark the site. Grace period. Joy in activities.',
    'MS exacerbation. PA and lateral chest films.',
    'L4-L5 disc; C3-C7; T12 fracture.',
    'Vision 20/20, 20/40.',
    'Follow up in 3-4 weeks, for 10 days.',
    'EF 55-60%, LVEDD 4.5 cm.',
    'Version 1.2.3, ratio 1:2.',
    'Attending present throughout.',
    'History of MI in 2014, stent 2016.',
    'Lives in Texas.',
    'Transferred from ICU; seen in Pediatric Urology Clinic and Spine Clinic.',
    'Case discussed with the resident. Call if worse. Home O2 2 L.',
    'Visit 3. ID consult. Group therapy 5 times.',
    'June bug allergy? Dawn phenomenon. Crystal arthropathy.',
    'Pearl-like papules; Olive oil; Ginger tea.',
    'Lee Silverman voice therapy; Young adult; Black stool; White count normal; Brown sputum; Green discharge.',
    'Dr recommended rest.',
    'Wards of 12 beds at 300 mL/hr x 24 hours.',
  ])('%s', (text) => expect(redacted(text)).toBe(text));
});

describe('what is known of the person', () => {
  const known = {
    names: ['Zelia Quarrington', 'Bo'],
    identifiers: ['AB-482913', '555 0142 77', '+44 1632 960441', '+1-555-010-0199'],
    birthDate: '1951-03-14',
    addresses: ['9 Orchard Mews', 'Westhaven'],
  };
  it.each([
    ['quarrington came in', '[NAME] came in'],
    ['ZELIA is well', '[NAME] is well'],
    ['Quarington slept', '[NAME] slept'],
    ['Bo slept; bo', '[NAME] slept; bo'],
    ['number AB482913 on the wrist', 'number [ID] on the wrist'],
    ['ab 482 913', '[ID]'],
    ['reach 555.0142.77', 'reach [ID]'],
    ['ring 01632 960 441 or 5550100199', 'ring [PHONE] or [PHONE]'],
    ['born 19510314', 'born [DATE]'],
    ['from westhaven, 9 orchard mews', 'from [ADDRESS]'],
    ['Quarantine ended; Zeal returned.', 'Quarantine ended; Zeal returned.'],
  ])('%s', (text, expected) => expect(redacted(text, known)).toBe(expected));
});

describe('findPhi', () => {
  it('gives mentions in order that never become facts, each with the words at its offsets', () => {
    const text = 'Dr. Okonkwo saw Jennifer Kowalski on 3/4/2020, MRN: 48219.';
    const found = findPhi(text);
    expect(found.map((m) => m.kind)).toEqual(['name', 'name', 'date', 'mrn']);
    for (const m of found) {
      expect(text.slice(m.start, m.end)).toBe(m.text);
      expect(m).toMatchObject({ type: 'phi', accepted: false, reason: 'not-a-fact' });
    }
  });

  it('never overlaps or throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        let at = 0;
        for (const m of findPhi(text, { names: ['Zelia'] })) {
          expect(m.start).toBeGreaterThanOrEqual(at);
          expect(m.end).toBeGreaterThan(m.start);
          at = m.end;
        }
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['capitals', 'Aa '],
    ['digits', '1'],
    ['digit groups', '12-'],
    ['dots', 'a.'],
    ['letters', 'A'],
    ['names', 'Dr. Adler '],
    ['labels', 'mrn: '],
    ['hospitals', 'Aaa Bbb Hospital '],
    ['colons', 'a:'],
    ['blanks', ' '],
    ['addresses', '1 A B '],
  ])('takes linear time on %s', (_, unit) => {
    const timeOf = (length: number) => {
      const text = unit.repeat(Math.ceil(length / unit.length));
      // Of the processor: the clock on the wall would also measure what else the machine does.
      const begun = process.cpuUsage();
      findPhi(text);
      const used = process.cpuUsage(begun);
      return (used.user + used.system) / 1000;
    };
    timeOf(5_000);
    // 5 ms a kB and 50 ms is what any input may take.
    expect(timeOf(60_000)).toBeLessThan(50 + 60 * 5);
  });
});
