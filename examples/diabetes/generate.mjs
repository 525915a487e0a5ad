// Makes up people with diabetes: `node generate.mjs FOLDER [--patients 240] [--seed 42]`.
// Writes FOLDER/records/*.ndjson and notes.jsonl, and FOLDER/corrections/Observation.ndjson. Nobody in it exists; the
// same numbers give the same bytes. What is in it on purpose, for the analysis to find:
//   - drugs are chosen by need (kidneys, weight, how high the A1c is), so that plain averages mislead;
//   - one start in four of a second drug stands in a note alone;
//   - one A1c in sixteen is recorded weeks late, one in twenty-five comes in mmol/mol, a few are typed wrong;
//   - a few are corrected later (`corrections`).
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const DAY = 86_400_000;
const END = Date.UTC(2024, 11, 31);
const LOINC = 'http://loinc.org';
const SNOMED = 'http://snomed.info/sct';
const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const UCUM = 'http://unitsofmeasure.org';

/** Percent of A1c taken off by a drug that is taken, kilograms with it, and how it is written. */
export const DRUGS = {
  metformin: { code: '6809', group: 'metformin', a1c: -1.2, kg: -1, dose: '1000 mg twice daily' },
  glipizide: { code: '4821', group: 'sulfonylurea', a1c: -0.9, kg: 1.5, dose: '5 mg twice daily' },
  empagliflozin: { code: '1545653', group: 'SGLT2 inhibitor', a1c: -0.8, kg: -2.5, dose: '10 mg daily' },
  dapagliflozin: { code: '1488564', group: 'SGLT2 inhibitor', a1c: -0.8, kg: -2.5, dose: '10 mg daily' },
  semaglutide: { code: '1991302', group: 'GLP-1 agonist', a1c: -1.4, kg: -6, dose: '0.5 mg weekly' },
  dulaglutide: { code: '1551291', group: 'GLP-1 agonist', a1c: -1.2, kg: -3, dose: '1.5 mg weekly' },
  'insulin glargine': { code: '274783', group: 'insulin', a1c: -1.7, kg: 3, dose: '16 units nightly' },
};
const FAMILY =
  'Abara Brandvold Castell Dimmock Eskola Fairweather Grujic Haddow Ivanek Jellicoe Kowalczuk Lindqvist Marchetti Nakashima Oyelaran Pettersen Quiroga Rasmussen Sandoval Tremblay'.split(
    ' ',
  );
const GIVEN = {
  female: 'Adaeze Beatriz Carys Dorothea Esme Fatou Greta Hanako Ilse Joan'.split(' '),
  male: 'Anselm Bertil Caspian Duncan Emeka Florin Gustavo Hiro Ivor Jamal'.split(' '),
};

/** A repeatable stream of numbers in [0, 1) (mulberry32). */
function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const round = (value, digits) => Number(value.toFixed(digits));
const day = (ms) => new Date(ms).toISOString().slice(0, 10);
const concept = (system, code, display) => ({ coding: [{ system, code, display }], text: display });

/** The records of one person: `{ resources, notes, corrections }`, in FHIR R4 but for the notes. */
export function personOf(number, seed = 42) {
  const next = random(seed * 100_003 + number);
  const normal = (mean, sd) =>
    mean + sd * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const within = (value, low, high) => Math.min(high, Math.max(low, value));
  const pick = (list) => list[Math.floor(next() * list.length)];
  const chance = (p) => next() < p;

  const id = `dm-${String(number).padStart(4, '0')}`;
  const subject = { reference: `Patient/${id}` };
  const gender = chance(0.5) ? 'female' : 'male';
  const diabetic = chance(0.85);
  const firstSeen = Date.UTC(2015, 0, 5) + Math.floor(next() * 2_200) * DAY;
  const age = within(normal(57, 11), 28, 84);
  const bmi = within(normal(31, 5), 20, 48);
  const height = within(normal(gender === 'male' ? 176 : 163, 7), 145, 200);
  const kidneys = chance(0.22);
  const resources = [];
  const notes = [];
  const corrections = [];
  const add = (resourceType, suffix, body) => {
    const resource = { resourceType, id: suffix ? `${id}-${suffix}` : id, ...body };
    resources.push(resource);
    return resource;
  };

  add('Patient', '', {
    identifier: [{ system: 'https://lakeside.example/mrn', value: `LS-${70_000 + number}` }],
    name: [{ use: 'official', family: pick(FAMILY), given: [pick(GIVEN[gender])] }],
    gender,
    birthDate: day(firstSeen - Math.floor(age * 365.25) * DAY),
    address: [{ state: pick(['MN', 'WI', 'IA']), country: 'US' }],
  });
  const condition = (suffix, code, display, onset) =>
    add('Condition', suffix, {
      clinicalStatus: concept('http://terminology.hl7.org/CodeSystem/condition-clinical', 'active', 'Active'),
      verificationStatus: concept(
        'http://terminology.hl7.org/CodeSystem/condition-ver-status',
        'confirmed',
        'Confirmed',
      ),
      code: concept(SNOMED, code, display),
      subject,
      onsetDateTime: day(onset),
      recordedDate: day(onset),
    });
  if (diabetic) condition('t2dm', '44054006', 'Diabetes mellitus type 2', firstSeen);
  else condition('igt', '9414007', 'Impaired glucose tolerance', firstSeen);
  if (chance(0.6)) condition('htn', '38341003', 'Hypertensive disorder, systemic arterial', firstSeen);
  if (kidneys) condition('ckd', '433144002', 'Chronic kidney disease stage 3', firstSeen + 200 * DAY);

  // The course: where the A1c would go untreated, and what each drug taken takes off it.
  const untreated = diabetic ? within(normal(8.7, 1.2), 6.6, 12.5) : within(normal(5.9, 0.2), 5.5, 6.3);
  const perYear = diabetic ? within(normal(0.35, 0.2), 0, 1) : 0.03;
  const adherence = within(normal(0.8, 0.2), 0.15, 1);
  const taken = [];
  const latent = (at) => {
    let value = untreated + (perYear * (at - firstSeen)) / (365.25 * DAY);
    for (const { drug, from, to } of taken) {
      const days = (Math.min(at, to) - from) / DAY;
      if (days <= 0) continue;
      const gone = at > to ? Math.exp(-(at - to) / DAY / 60) : 1;
      value += DRUGS[drug].a1c * adherence * (untreated / 8.7) * (1 - Math.exp(-days / 60)) * gone;
    }
    return Math.max(value, 5);
  };
  const weightAt = (at) => {
    let kg = bmi * (height / 100) ** 2;
    for (const { drug, from, to } of taken)
      if (at > from) kg += DRUGS[drug].kg * adherence * Math.min(1, (Math.min(at, to) - from) / DAY / 180);
    return kg;
  };

  let visit = 0;
  let lastChange = 0;
  let reviewed = false;
  for (let at = firstSeen; at < END; at += Math.floor(within(normal(150, 35), 70, 260)) * DAY) {
    visit++;
    const date = day(at);
    const encounter = { reference: `Encounter/${id}-v${visit}` };
    add('Encounter', `v${visit}`, {
      status: 'finished',
      class: {
        system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode',
        code: 'AMB',
        display: 'ambulatory',
      },
      subject,
      period: { start: `${date}T09:00:00Z`, end: `${date}T09:30:00Z` },
    });
    const measured = (suffix, code, display, category, time, issued, value, unit, ucum) =>
      add('Observation', `${suffix}${visit}`, {
        status: 'final',
        category: [concept('http://terminology.hl7.org/CodeSystem/observation-category', category, category)],
        code: concept(LOINC, code, display),
        subject,
        encounter,
        effectiveDateTime: time,
        issued,
        valueQuantity: { value, unit, system: UCUM, code: ucum },
      });
    const vital = (...args) =>
      measured(
        args[0],
        args[1],
        args[2],
        'vital-signs',
        `${date}T09:05:00Z`,
        `${date}T09:06:00Z`,
        ...args.slice(3),
      );
    vital('kg', '29463-7', 'Body weight', round(weightAt(at) + normal(0, 0.6), 1), 'kg', 'kg');
    if (visit % 3 === 1)
      vital(
        'bmi',
        '39156-5',
        'Body mass index (BMI) [Ratio]',
        round(weightAt(at) / (height / 100) ** 2, 1),
        'kg/m2',
        'kg/m2',
      );
    const lab = (...args) =>
      measured(args[0], args[1], args[2], 'laboratory', `${date}T09:10:00Z`, args[3], ...args.slice(4));
    const soon = `${date}T16:00:00Z`;
    if (visit % 2 === 1)
      lab(
        'crea',
        '2160-0',
        'Creatinine [Mass/volume] in Serum or Plasma',
        soon,
        round(within(normal(kidneys ? 1.6 : 0.9, 0.12), 0.4, 4), 2),
        'mg/dL',
        'mg/dL',
      );

    const a1c = round(latent(at) + normal(0, 0.15), 1);
    const late = chance(1 / 16) ? Math.floor(20 + next() * 160) * DAY : 0;
    const abroad = chance(1 / 25);
    // The clinic has an analyser of its own; other laboratories take until the afternoon.
    const issued = late ? `${day(at + late)}T11:00:00Z` : abroad ? soon : `${date}T09:18:00Z`;
    const named = ['4548-4', 'Hemoglobin A1c/Hemoglobin.total in Blood'];
    if (abroad)
      // From a laboratory that reports by IFCC.
      lab(
        'a1c',
        '59261-8',
        'Hemoglobin A1c/Hemoglobin.total in Blood by IFCC protocol',
        issued,
        Math.round((a1c - 2.152) / 0.09148),
        'mmol/mol',
        'mmol/mol',
      );
    else if (chance(0.004)) lab('a1c', ...named, issued, round(a1c * 10, 0), '%', '%');
    else {
      const result = lab('a1c', ...named, issued, a1c, '%', '%');
      if (chance(0.012))
        corrections.push({
          ...result,
          status: 'corrected',
          valueQuantity: { ...result.valueQuantity, value: round(a1c + pick([-1.1, 0.9, 1.4]), 1) },
        });
    }
    if (!diabetic) continue;

    // What is done about it, once a drug had time to work.
    const active = taken.filter(({ to }) => to > at);
    const has = (group) => active.some(({ drug }) => DRUGS[drug].group === group);
    const start = (drug, wherever) => {
      taken.push({ drug, from: at, to: Number.POSITIVE_INFINITY });
      lastChange = at;
      if (wherever === 'note') return;
      const { code, dose } = DRUGS[drug];
      add('MedicationRequest', `rx${taken.length}`, {
        status: 'active',
        intent: 'order',
        medicationCodeableConcept: concept(RXNORM, code, drug),
        subject,
        encounter,
        authoredOn: `${date}T09:25:00Z`,
        dosageInstruction: [{ text: dose }],
      });
    };
    const say = (...lines) =>
      notes.push({
        id: `${id}-n${visit}`,
        patient: id,
        date,
        type: 'Progress note',
        author: pick(['Dr. A. Lindgren', 'Dr. P. Osei', 'Dr. M. Tanaka']),
        text: `Diabetes follow-up.\n\nA: Type 2 diabetes, A1c ${a1c.toFixed(1)}%.\n${lines.join('\n')}\n`,
      });
    const denies = pick([
      'Denies hypoglycemia.',
      'No polyuria or polydipsia.',
      'Denies chest pain.',
      'No numbness of the feet.',
    ]);
    if (taken.length === 0) {
      if (chance(0.92)) {
        start('metformin');
        say(denies, 'P: Start metformin 1000 mg BID with meals. Diet reviewed.');
      } else lastChange = at;
      continue;
    }
    if (at - lastChange < 130 * DAY || a1c < 7.3 || active.length >= 3) continue;
    let drug;
    if (a1c > 9.8 && !has('insulin') && chance(0.6)) drug = 'insulin glargine';
    else if (kidneys && !has('SGLT2 inhibitor')) drug = pick(['empagliflozin', 'dapagliflozin']);
    else if (bmi > 32 && !has('GLP-1 agonist')) drug = pick(['semaglutide', 'semaglutide', 'dulaglutide']);
    else drug = pick(['glipizide', 'empagliflozin', 'semaglutide', 'insulin glargine']);
    if (has(DRUGS[drug].group)) continue;
    const { dose } = DRUGS[drug];
    const how = next();
    if (how < 0.25) {
      start(drug, 'note');
      say(
        denies,
        pick([
          `Endocrinology started ${drug} ${dose} today.`,
          `Seen by diabetes clinic this morning: ${drug} ${dose} was started.`,
        ]),
        'P: Continue. Mother took insulin. Asked to bring the meter.',
      );
    } else if (how < 0.45 && !reviewed) {
      // Spoken of, not begun: no fact about the patient.
      reviewed = true;
      say(
        denies,
        `P: Discussed ${drug}; the patient declines for now. Not taking ${drug}. Recheck in 3 months.`,
      );
    } else {
      start(drug);
      say(denies, `P: Start ${drug} ${dose}. Continue metformin.`);
    }
  }
  return { resources, notes, corrections };
}

/** Writes the files; answers how many there are of each type. */
export function generate(folder, { patients = 240, seed = 42 } = {}) {
  const records = new Map();
  const notes = [];
  const corrections = [];
  for (let number = 1; number <= patients; number++) {
    const person = personOf(number, seed);
    for (const resource of person.resources) {
      const list = records.get(resource.resourceType) ?? [];
      records.set(resource.resourceType, list);
      list.push(resource);
    }
    notes.push(...person.notes);
    corrections.push(...person.corrections);
  }
  const write = (path, rows) => writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  mkdirSync(join(folder, 'records'), { recursive: true });
  mkdirSync(join(folder, 'corrections'), { recursive: true });
  for (const [type, rows] of records) write(join(folder, 'records', `${type}.ndjson`), rows);
  write(join(folder, 'records', 'notes.jsonl'), notes);
  write(join(folder, 'corrections', 'Observation.ndjson'), corrections);
  const counts = Object.fromEntries([...records].map(([type, rows]) => [type, rows.length]));
  return { ...counts, notes: notes.length, corrections: corrections.length };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values, positionals } = parseArgs({
    options: { patients: { type: 'string', default: '240' }, seed: { type: 'string', default: '42' } },
    allowPositionals: true,
  });
  const [folder] = positionals;
  if (!folder || !(Number(values.patients) > 0)) {
    console.error('Say where to: node generate.mjs FOLDER [--patients 240] [--seed 42]');
    process.exit(2);
  }
  console.log(
    JSON.stringify(generate(folder, { patients: Number(values.patients), seed: Number(values.seed) })),
  );
}
