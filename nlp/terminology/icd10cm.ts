// ICD-10-CM: names, inclusion terms and the alphabetical index with its inversions undone.
import type { LexiconBuilder } from '../2-mention/lexicon-builder.js';
import type { MentionType } from '../model.js';
import { BODY_ADJECTIVES, phraseVariants, plainName } from './phrases.js';
import type { TerminologyTables } from './tables.js';

export const ICD10CM = 'http://hl7.org/fhir/sid/icd-10-cm';
const MAX_WORDS = 9;

/** Adds the tabular list and the index of ICD-10-CM. */
export function addIcd10cm(
  builder: LexiconBuilder,
  tables: Pick<TerminologyTables, 'icd10cm' | 'icd10cm_index' | 'snomed_gps'>,
): void {
  const tabular = new Map(tables.icd10cm.map((row) => [row.code, row]));
  const kept = (code: string): boolean =>
    (/^[A-Z]\d/.test(code) &&
      tabular.has(code) &&
      !/^[U-Y]/.test(code) &&
      !/^.{3}\..{3}[A-Z0-9]$/.test(code)) ||
    code === 'U07.1' ||
    code === 'U09.9';
  const conceptOf = (code: string): number =>
    builder.concept(ICD10CM, code, tabular.get(code)!.name, tabular.get(code)!.type);
  const typeOf = (code: string): MentionType | undefined =>
    code.startsWith('R') ? 'symptom' : code.startsWith('Z') ? zType(code) : 'diagnosis';
  // Single words of the index count where they look like a disease or are the whole name of a code or concept.
  const knownWords = new Set([
    ...tables.icd10cm.map((row) => plainName(row.name).toLowerCase()),
    ...tables.snomed_gps
      .filter((row) => row.type === 'disorder' || row.type === 'finding')
      .map((row) => row.name.toLowerCase()),
  ]);
  for (const row of tables.icd10cm_index) {
    if (row.kind !== 'index') continue;
    const code = row.code.replace(/[-.]+$/, '');
    if (!kept(code)) continue;
    const type = typeOf(code);
    if (type === undefined || isPoisoning(code)) continue;
    const phrases = indexPhrases(row.term);
    if (phrases.length === 0) continue;
    const id = conceptOf(code);
    for (const phrase of phrases)
      if (phrase.includes(' ') || isDisease(phrase) || knownWords.has(phrase.toLowerCase()))
        builder.phrase(phrase, type, 0, [id]);
  }
  for (const row of tables.icd10cm) {
    if (!kept(row.code)) continue;
    const id = conceptOf(row.code);
    const type = typeOf(row.code);
    if (type === undefined || isPoisoning(row.code)) continue;
    const names = [row.name, ...row.synonyms.split('|')];
    for (const name of names) {
      if (!name || name.split(' ').length > MAX_WORDS + 2 || isUseless(name)) continue;
      // Inclusion terms are often fragments that mean something only under their heading ("Axis", "Arch of aorta").
      const fragment = name !== row.name && (/^[ST]/.test(row.code) || !isDisease(name));
      if (fragment) continue;
      for (const phrase of phraseVariants(name))
        if (phrase.split(' ').length <= MAX_WORDS) builder.phrase(phrase, type, 0, [id]);
    }
  }
  for (const row of tables.icd10cm_index) {
    const words = row.kind === 'neoplasm' ? NEOPLASM_WORDS[row.nonessential_modifiers] : undefined;
    const code = row.code.replace(/[-.]+$/, '');
    if (words === undefined || !kept(code)) continue;
    const site = plainName(row.term.replace(/^Neoplasm, neoplastic,?\s*/, ''));
    if (!/^[a-z ]{3,20}$/i.test(site)) continue;
    const id = conceptOf(code);
    for (const place of [site, ...(BODY_ADJECTIVES[site.toLowerCase()] ?? [])]) {
      for (const word of words.after) builder.phrase(`${place} ${word}`, 'diagnosis', 0, [id]);
    }
    for (const word of words.before) builder.phrase(`${word} ${site}`, 'diagnosis', 0, [id]);
  }
}

/** How people name a column of the table of neoplasms: with the site after the word, and before it. */
const NEOPLASM_WORDS: Readonly<
  Record<string, { readonly before: readonly string[]; readonly after: readonly string[] }>
> = {
  MalignantPrimary: {
    before: ['cancer of', 'carcinoma of', 'adenocarcinoma of', 'malignant neoplasm of', 'malignancy of'],
    after: ['cancer', 'carcinoma', 'adenocarcinoma', 'malignancy'],
  },
  MalignantSecondary: {
    before: [
      'metastasis to',
      'metastases to',
      'metastatic disease to',
      'metastatic cancer to',
      'metastasis of',
      'metastases in',
    ],
    after: ['metastasis', 'metastases'],
  },
  Benign: { before: ['benign tumor of', 'benign neoplasm of'], after: [] },
  UnspecifiedBehavior: { before: ['tumor of', 'neoplasm of'], after: ['tumor', 'neoplasm', 'neoplasia'] },
};

/** Drugs and chemicals under which the index lists what they do; as words they are the drugs. */
function isPoisoning(code: string): boolean {
  return /^T(?:3[6-9]|4\d|50|5[1-9]|6[0-5])/.test(code);
}

const DISEASE =
  /(?:itis|osis|emia|aemia|uria|oma|omas|pathy|plegia|paresis|algia|dynia|rrhea|rrhage|megaly|penia|philia|phobia|trophy|plasia|ectasis|edema|sclerosis|stenosis|spasm|cele|lysis|ptosis|rrhagia|pnea|phagia|phasia|lepsy|mania|thymia|opia|opsia|esthesia|acusis|iasis|lith|syndrome|disease|disorder|failure|insufficiency|infection|fever|cancer|tumor|neoplasm|fracture|dislocation|sprain|strain|injury|wound|ulcer|abscess|cyst|polyp|hernia|pain|ache|bleeding|hemorrhage|obstruction|occlusion|infarct|infarction|embolism|thrombosis|aneurysm|deficiency|defect|malformation|anomaly|allergy|poisoning|toxicity|abuse|dependence|psychosis|neurosis|palsy|paralysis|atrophy|prolapse|perforation|rupture|calculus|stone|mass|lesion|lump|swelling|rash|dermatosis|anemia|diabetes|hypertension|hypotension|asthma|epilepsy|dementia|depression|anxiety|migraine|stroke|shock|coma|arrest|block|fibrillation|flutter|tachycardia|bradycardia|arrhythmia|angina|attack|delirium|deafness|blindness|cataract|glaucoma|detachment|tear|contusion|laceration|abrasion|burn|bite|concussion|amputation|absence|retardation|delay|dysfunction|dystrophy|apnea|pneumonia|influenza|tuberculosis|sepsis|malaria|measles|mumps|rubella|herpes|zoster|wart|scabies|acne|psoriasis|eczema|urticaria|gout|lupus|scoliosis|kyphosis|lordosis|bunion|goiter|thyrotoxicosis|acidosis|alkalosis|obesity|malnutrition|dehydration|cirrhosis|jaundice|ascites|gastroenteritis|constipation|diarrhea|nausea|vomiting|incontinence|retention|impotence|infertility|pregnancy|abortion|miscarriage|preeclampsia|eclampsia|menopause|amenorrhea|reflux)$/i;

function isDisease(name: string): boolean {
  return (
    DISEASE.test(name) ||
    /\b(?:syndrome|disease|disorder|fracture|infection|failure|neoplasm|carcinoma|cancer|hernia|ulcer|abscess|pain|diabetes|hypertension|anemia|pneumonia|fever|deficiency) /i.test(
      name,
    )
  );
}

/** Z codes: what a person has had, carries or lives with; encounters for something are no diagnosis. */
function zType(code: string): MentionType | undefined {
  if (/^Z(?:79|8[0-9]|9[0-9]|21|22|33|34|3A)/.test(code)) return 'diagnosis';
  if (/^Z(?:5[5-9]|6|7[2-3])/.test(code)) return 'social';
  return undefined;
}

function isUseless(name: string): boolean {
  return (
    /\b(?:classified elsewhere|elsewhere classified|subsequent encounter|sequela|initial encounter|Encounter for)\b/i.test(
      name,
    ) ||
    /^(?:other|certain) /i.test(name) ||
    /\bother\b/i.test(name)
  );
}

/** Other forms of a main term that are no names: "edematous", "diabetic". */
const ADJECTIVE = /(?:ous|ic|al|ed|ive|ary)$/i;

/** The modifiers as they are, and with the adjective of a part of the body: "Cyst, kidney" is a renal cyst. */
function withAdjectives(words: readonly string[]): (readonly string[])[] {
  const result: (readonly string[])[] = [words];
  words.forEach((word, at) => {
    for (const adjective of BODY_ADJECTIVES[word.toLowerCase()] ?? [])
      result.push(words.map((other, i) => (i === at ? adjective : other)));
  });
  return result;
}

const LINK =
  /^(?:in|with|without|due to|of|by|following|from|during|after|on|to|for|and|or|at|associated|caused|secondary|resulting|complicating)\b/i;
const NOT_A_PHRASE =
  /\b(?:specified|NEC|classif|see|type of|as current|affecting|newborn \(|mother|fetus|code|nature|site|elsewhere|degree|manifestation|state|sequela|newborn|fetal|third|first|second|stage|unspecified)\b/i;
const MAX_SEGMENTS = 4;

/** "Bronchitis, acute, with, bronchospasm" is "acute bronchitis with bronchospasm". */
export function indexPhrases(term: string): string[] {
  const plain = term.replace(/\s*\([^)]*\)/g, '').trim();
  const segments = plain
    .split(/,+ */)
    .map((segment) => segment.trim())
    .filter(Boolean);
  // "Edema, edematous, conjunctiva": what follows in the same stem is another form of the first.
  if (segments.length === 0) return [];
  const heads = [segments[0]!];
  const stemOf = (word: string): string => word.slice(0, 4).toLowerCase();
  while (
    segments.length > 1 &&
    !segments[1]!.includes(' ') &&
    !segments[0]!.includes(' ') &&
    stemOf(segments[1]!) === stemOf(segments[0]!)
  ) {
    heads.push(...segments.splice(1, 1));
  }
  if (segments.length === 0 || segments.length > MAX_SEGMENTS) return [];
  if (
    /^(?:complications?|history|status|examination|encounter|screening|counseling|problem|maladjustment|contact|exposure|observation|admission|aftercare|fitting|vaccination|procedure|pregnancy|delivery|labor|puerperal|poisoning|injury|external|accident|assault|disease|disorder|syndrome|deficiency|effect|defect|abnormal|findings?|presence|absence|personal|test|anomaly|deformity|malformation|neoplasm|birth|newborn|maternal|foreign|late|lack|replacement|attention|transplant|carrier|person|placement|removal|donor|long-term|dependence|use|abuse|intoxication|sequelae|therapy|supervision|immunization|prophylactic|family|underdosing)$/i.test(
      segments[0]!,
    ) &&
    segments.length === 1
  )
    return [];
  if (NOT_A_PHRASE.test(plain)) {
    if (!/\b(?:stage|degree) (?:\d|[IV]+|one|two|three)\b/i.test(plain) || segments.length > 3) return [];
  }
  const rest = segments.slice(1);
  const before: string[] = [];
  const after: string[] = [];
  for (let i = 0; i < rest.length; i++) {
    let segment = rest[i]!;
    if (LINK.test(segment)) {
      // A link may stand alone, its object in the next segment.
      if (
        /^(?:in|with|without|due to|of|by|following|from|and|or|at|during|after|on|to|for)$/i.test(segment) &&
        i + 1 < rest.length
      )
        segment = `${segment} ${rest[++i]}`;
      after.push(segment);
    } else before.push(segment);
  }
  const tail = after.length > 0 ? ` ${after.join(' ')}` : '';
  const phrases = new Set<string>();
  for (const head of heads) {
    if (heads.length > 1 && ADJECTIVE.test(head)) continue;
    const plainHead = /^[a-z ]+$/i.test(head);
    for (const words of withAdjectives(before)) {
      if (words.length === 0) {
        phrases.add(`${head}${tail}`);
        continue;
      }
      phrases.add(`${[...words].reverse().join(' ')} ${head}${tail}`);
      phrases.add(`${words.join(' ')} ${head}${tail}`);
      phrases.add(`${head} ${words.join(' ')}${tail}`);
      if (plainHead && words.length === 1 && words[0]!.split(' ').length <= 2)
        phrases.add(`${head} of ${words[0]}${tail}`);
      if (words.length === 2) {
        phrases.add(`${words[1]} ${head} ${words[0]}${tail}`).add(`${words[0]} ${head} ${words[1]}${tail}`);
        phrases
          .add(`${words[1]} ${head} of ${words[0]}${tail}`)
          .add(`${words[0]} ${head} of ${words[1]}${tail}`);
      }
    }
  }
  return [...phrases].filter((phrase) => phrase.split(' ').length <= MAX_WORDS && phrase.length > 2);
}
