/** Notes of about 2.5 kB in several styles, made of parts written for the purpose; the same for the same count. */
export function generatedNotes(count: number): string[] {
  let seed = 20_240_601;
  const next = (limit: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % limit;
  };
  const pick = <T>(items: readonly T[]): T => items[next(items.length)]!;
  const some = (items: readonly string[], howMany: number) =>
    Array.from({ length: howMany }, () => pick(items));
  return Array.from({ length: count }, (_, i) => {
    const header = pick(HEADERS);
    const meds = some(MEDICATIONS, 5).map((drug, k) => pick(['- ', '', `${k + 1}. `]) + drug);
    const history = Array.from({ length: 7 }, () =>
      pick(SENTENCES)(pick(CONDITIONS), pick(SYMPTOMS), 30 + next(50)),
    );
    return [
      header('Chief Complaint'),
      `${pick(SYMPTOMS)} for ${1 + next(9)} days.`,
      header('History of Present Illness'),
      history.join(' '),
      header('Past Medical History'),
      some(CONDITIONS, 4).join(', '),
      header('Medications'),
      meds.join('\n'),
      header('Allergies'),
      pick(['NKDA', 'Penicillin (rash)', 'Sulfa - hives', 'No known drug allergies.']),
      header('Family History'),
      `Mother with ${pick(CONDITIONS)}. Father died of ${pick(CONDITIONS)} at ${50 + next(40)}.`,
      header('Review of Systems'),
      `Constitutional: denies ${some(SYMPTOMS, 3).join(', ')}.\nRespiratory: no ${some(SYMPTOMS, 2).join(' or ')}.`,
      header('Physical Exam'),
      `Vitals: BP ${100 + next(60)}/${60 + next(30)}, HR ${60 + next(50)}, T 37.${next(9)} C, SpO2 ${92 + next(8)}%.\nGeneral: no acute distress.\nLungs: clear to auscultation bilaterally, no wheezes.\nHeart: regular rate and rhythm without murmur.\nAbdomen: soft, nontender, nondistended.`,
      header('Labs'),
      `Na ${130 + next(15)}, K ${3 + next(2)}.${next(9)}, creatinine ${1 + next(2)}.${next(9)}, WBC ${4 + next(12)}.${next(9)}, Hgb ${9 + next(6)}.${next(9)}, HbA1c ${5 + next(6)}.${next(9)}%`,
      header('Assessment and Plan'),
      some(CONDITIONS, 3)
        .map(
          (condition, k) =>
            `${k + 1}. ${condition}: continue ${pick(MEDICATIONS)}. ${pick(PLANS)} Return if ${pick(SYMPTOMS)} worsens.`,
        )
        .join('\n'),
      `Seen by Dr. ${pick(['Harris', 'Okafor', 'Lind', 'Moreno'])}, visit ${i + 1}.`,
    ].join('\n');
  });
}

const HEADERS: readonly ((title: string) => string)[] = [
  (title) => `\n${title.toUpperCase()}:`,
  (title) => `\n## ${title}\n`,
  (title) => `\n**${title}:**`,
  (title) => `\n${title}\n${'-'.repeat(title.length)}`,
];

const CONDITIONS = [
  'hypertension',
  'type 2 diabetes mellitus',
  'COPD',
  'atrial fibrillation',
  'hypothyroidism',
  'gout',
  'chronic kidney disease',
  'congestive heart failure',
  'osteoarthritis of the left knee',
  'major depression',
  'asthma',
  'GERD',
  'iron deficiency anemia',
  'migraine',
  'rheumatoid arthritis',
  'pneumonia',
  'urinary tract infection',
  'breast cancer',
  'hyperlipidemia',
  'obstructive sleep apnea',
] as const;
const SYMPTOMS = [
  'cough',
  'chest pain',
  'shortness of breath',
  'fever',
  'nausea',
  'vomiting',
  'headache',
  'dizziness',
  'abdominal pain',
  'fatigue',
  'back pain',
  'palpitations',
  'diarrhea',
  'rash',
  'night sweats',
  'weight loss',
] as const;
const MEDICATIONS = [
  'lisinopril 10 mg daily',
  'metformin 500 mg po bid',
  'aspirin 81 mg daily',
  'atorvastatin 40 mg qhs',
  'albuterol inhaler 2 puffs q4h prn',
  'levothyroxine 75 mcg daily',
  'furosemide 40 mg po b.i.d.',
  'warfarin 5 mg daily',
  'omeprazole 20 mg daily',
  'sertraline 50 mg daily',
  'insulin glargine 20 units at bedtime',
  'amoxicillin 500 mg three times a day for 10 days',
  'prednisone 20 mg taper',
  'gabapentin 300 mg tid',
] as const;
const PLANS = [
  'Recheck labs in two weeks.',
  'Chest x-ray today.',
  'Refer to cardiology.',
  'Consider colonoscopy.',
  'Follow up in 3 months.',
  'Echocardiogram was performed and showed a normal ejection fraction.',
  'Counseled on diet and exercise.',
] as const;
const SENTENCES: readonly ((condition: string, symptom: string, age: number) => string)[] = [
  (condition, symptom, age) =>
    `This is a ${age}-year-old patient with a history of ${condition} who presents with ${symptom}.`,
  (condition, symptom) =>
    `There is no ${symptom}, but the ${condition} has been poorly controlled since the last visit.`,
  (condition, symptom) => `She denies ${symptom} and was treated for ${condition} in 2016.`,
  (condition) => `Imaging was suspicious for ${condition}, which was later ruled out.`,
  (condition, symptom) => `The ${symptom} is worse at night and is thought to be due to ${condition}.`,
  (condition, symptom, age) =>
    `He underwent a laparoscopic cholecystectomy at age ${age} without complications and has had no ${symptom} since; ${condition} remains stable.`,
];
