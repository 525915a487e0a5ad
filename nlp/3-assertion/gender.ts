import type { Token } from '../model.js';

export type Gender = 'male' | 'female';

const AGE = String.raw`\b\d{1,3}[ -]?(?:y\/?o\.?|yr\.?s?[ -]?old|years?[ -]old|mo|m\/o|months?[ -]old|weeks?[ -]old|wk[ -]old|days?[ -]old|f|m)?`;
const MAN = 'man|male|gentleman|boy|m|father of|husband';
const WOMAN = 'woman|female|lady|girl|f|mother of|gravida';
const BETWEEN = String.raw`[ ,-]{1,3}(?:(?!old\b)[a-z-]{3,20}[ ,]{1,2}){0,4}?`;
const OF_MAN = new RegExp(
  String.raw`${AGE}${BETWEEN}(?:${MAN})\b|\b\d{1,3} ?m\b(?! ?\/)|\bmr\b|\bbaby boy\b`,
  'i',
);
const OF_WOMAN = new RegExp(
  String.raw`${AGE}${BETWEEN}(?:${WOMAN})\b|\b\d{1,3} ?f\b|\b(?:mrs|ms|miss)\b|\bbaby girl\b|\bg\d{1,2} ?p\d`,
  'i',
);
const RELATIVE =
  '(?:mother|father|mom|mum|dad|brother|sister|son|daughter|parents|sibling|wife|husband|girlfriend|boyfriend|grandmother|grandfather|aunt|uncle|cousin|family)';
/** Whose relatives they are; and what a woman tells of `him` is told of the patient. */
const HIS = new RegExp(
  String.raw`\bhis (?:\w+ )?${RELATIVE}\b|\b(?:from|per|with) (?:\w+ )?(?:sister|mother|wife|mom|mum|daughter)[:,]? (?:reports |states |says |that )?he\b`,
  'i',
);
const HERS = new RegExp(
  String.raw`\bher (?:\w+ )?${RELATIVE}\b|\b(?:from|per|with) (?:\w+ )?(?:brother|father|husband|dad|son)[:,]? (?:reports |states |says |that )?she\b`,
  'i',
);
/** How far from the start of a note its patient is introduced. */
const INTRODUCTION = 600;

/**
 * Whether a note speaks of a man or a woman, by how it introduces the patient, or by whose wife or husband it names.
 * Undefined where it does not say, or says both.
 */
export function genderOfPatient(text: string): Gender | undefined {
  const opening = text.slice(0, INTRODUCTION);
  const [man, woman] = [OF_MAN.test(opening), OF_WOMAN.test(opening)];
  if (man !== woman) return man ? 'male' : 'female';
  if (man) return undefined;
  const [his, hers] = [HIS.test(text), HERS.test(text)];
  if (his !== hers) return his ? 'male' : 'female';
  const [wife, husband] = [/\bwife\b/i.test(text), /\bhusband\b/i.test(text)];
  return wife === husband ? undefined : wife ? 'male' : 'female';
}

/** The gender of `he`, `she` and their like. */
export function genderOfPronoun({ norm }: Token): Gender | undefined {
  if (norm === 'he' || norm === 'his' || norm === 'him' || norm === 'himself') return 'male';
  if (norm === 'she' || norm === 'her' || norm === 'herself') return 'female';
  return undefined;
}
