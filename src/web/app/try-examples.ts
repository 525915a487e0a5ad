/** Notes to begin with, made up; each shows something else of what is read and what is refused. */
export const EXAMPLES: readonly { readonly title: string; readonly text: string }[] = [
  {
    title: 'A plan',
    text: `ASSESSMENT AND PLAN:
1. Type 2 diabetes, A1c 8.2%. Increase metformin to 1000 mg PO BID.
2. No evidence of neuropathy. Denies chest pain.
3. Mother had breast cancer; mammogram scheduled.
Allergies: penicillin (hives). He is not prescribed Advil.`,
  },
  {
    title: 'A discharge',
    text: `DISCHARGE SUMMARY

Admitted 2024-02-11 with shortness of breath and leg swelling, discharged 2024-02-16.

HOSPITAL COURSE: Acute on chronic systolic heart failure, ejection fraction 30%. Diuresed with furosemide 40 mg IV
twice daily, switched to torsemide 20 mg by mouth daily. Pulmonary embolism was ruled out by CT angiogram. Coronary
angiography in 2019 showed no obstruction. Chronic kidney disease stage 3, creatinine 1.6 at discharge.

DISCHARGE MEDICATIONS:
- Torsemide 20 mg tablet, one tablet by mouth every morning
- Carvedilol 6.25 mg by mouth twice a day
- Lisinopril 10 mg daily
Stop ibuprofen. Hold spironolactone until potassium is rechecked.

Return if weight rises by more than 2 kg in three days.`,
  },
  {
    title: 'Who has what',
    text: `FAMILY HISTORY: Father died of myocardial infarction at 54. Sister has asthma.
SOCIAL HISTORY: Former smoker, quit in 2015. Drinks alcohol socially.
PAST SURGICAL HISTORY: Appendectomy 1998, left total knee replacement in March 2021.
REVIEW OF SYSTEMS: Negative for fever, chills and weight loss. Reports occasional headache.
If the rash returns, consider a biopsy. Possible pneumonia on the right; cannot exclude tuberculosis.`,
  },
  {
    title: 'Vaccines and tests',
    text: `Influenza vaccine given today in the left deltoid. Declines the pneumococcal vaccine.
BP 148/92, pulse 88, temperature 37.2 C, SpO2 96% on room air. Weight 82 kg.
Hemoglobin 10.9 g/dL, low. Hemoglobin A1c was 7.1 % on 2023-11-02.
Iron deficiency anemia: start ferrous sulfate 325 mg every other day.`,
  },
  {
    title: 'Short hand',
    text: `72M h/o HTN, COPD, s/p CABG x3 '11. c/o SOB x 2d, no CP. 
ASA 81 qd, metop 25 bid, albuterol prn. NKDA. r/o MI: trop neg x2.
Plan: d/c HCTZ, f/u 2 wks.`,
  },
];
