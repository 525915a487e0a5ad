import type { Token } from '../model.js';

/** A dictation without marks is at least so long before it is parted. */
const RUN_ON_MIN_TOKENS = 25;
/** What is said of them, so that they begin a statement. */
const PRONOUNS = new Set(['he', 'she', 'they', 'patient', 'pt']);
const TELLING =
  /^(?:has|had|have|is|was|denies|denied|reports|reported|states|stated|takes|took|does|did|says|said|complains|complained|drinks|drank|smokes|smoked|lives|works|quit|underwent|presents|presented|came|comes|feels|felt|also|never|currently|uses|used|went|developed|noticed|started|stopped|describes|endorses|appears|looks)$/;
const RELATIVES =
  /^(?:mother|father|brother|sister|parents|son|daughter|wife|husband|grandmother|grandfather|uncle|aunt|mom|dad|mum|family)$/;
const EXAMINED =
  /^(?:lungs?|heart|abdomen|abd|belly|chest|skin|neck|extremities|legs?|exam|examination|vitals?|labs?|bloods?|ekg|ecg|xray|x-ray|ct|mri|ultrasound|echo|echocardiogram|urinalysis|urine|temperature|temp|oxygen|general|neuro|eyes|ears|throat|troponin|allergies|medications|meds)$/;
const FOUND =
  /^(?:is|are|was|were|show|shows|showed|showing|reveal|reveals|revealed|clear|soft|regular|exam|examination|include|stable|normal|rate|demonstrates|demonstrated|sounds|none|sign|signs)$/;
const TITLES =
  /^(?:assessment|impression|plan|diagnosis|diagnoses|allergies|medications|vitals|recommendations|disposition)$/;
/** Behind these a title is a part of what is being said: "his plan", "the impression of". */
const NO_TITLE_AFTER =
  /^(?:the|a|an|of|his|her|their|my|our|this|no|and|or|care|treatment|for|with|to|in|on|by|current|home|new|final|same|known)$/;
const TITLE_WORDS = new Set([
  'past medical',
  'past surgical',
  'medical history',
  'surgical history',
  'family history',
  'social history',
  'physical exam',
  'physical examination',
  'on exam',
  'on examination',
  'vital signs',
  'no known',
  'review of',
]);
/** What such a statement may hang on: "she says that he", "when she". */
const JOINING =
  /^(?:that|if|whether|when|while|because|since|as|before|after|until|which|who|where|and|or|but|than|said|says|the|a|with|of|his|her|significant|for|to|in|has|had|have)$/;

/**
 * Where the statements of a dictation without marks begin, by token: "... his mother had breast cancer | lungs show
 * wheezing | assessment copd exacerbation". Empty for what has marks of its own or is short.
 */
export function runOnBreaks(tokens: readonly Token[], from: number, to: number): number[] {
  if (to - from < RUN_ON_MIN_TOKENS) return [];
  for (let i = from; i < to - 1; i++) if (/^[.,;:!?|()=]$/.test(tokens[i]!.text)) return [];
  const breaks: number[] = [];
  for (let i = from + 2; i < to - 1; i++) if (beginsStatement(tokens, i, to)) breaks.push(i);
  return breaks;
}

function beginsStatement(tokens: readonly Token[], i: number, to: number): boolean {
  const word = tokens[i]!.norm;
  const next = tokens[i + 1]!.norm;
  const before = tokens[i - 1]!.norm;
  if (TITLES.test(word)) return !NO_TITLE_AFTER.test(before) && next !== 'of';
  if (JOINING.test(before)) return false;
  if (PRONOUNS.has(word)) return TELLING.test(next);
  if (word === 'his' || word === 'her' || word === 'the') {
    const after = i + 2 < to ? tokens[i + 2]!.norm : '';
    if (word === 'the' && PRONOUNS.has(next)) return TELLING.test(after);
    return RELATIVES.test(next) || (EXAMINED.test(next) && FOUND.test(after));
  }
  if (RELATIVES.test(word)) return /^(?:has|had|have|is|was|died|with|history)$/.test(next);
  if (EXAMINED.test(word)) return FOUND.test(next);
  return TITLE_WORDS.has(`${word} ${next}`);
}
