import type { Coding } from '../core/resource.js';

/** A drug as its names tell it. */
export interface Drug {
  /** Ingredients in alphabetical order, without their salts. */
  readonly ingredients: string;
  /** The salts as they are written, of which two are two drugs (metoprolol tartrate, metoprolol succinate). */
  readonly salts: string | undefined;
  /** Strengths that a product's name states, such as `20 mg`; none where the ingredient alone is named. */
  readonly strengths: readonly string[];
}

const STRENGTH =
  /\d+(?:[.,]\d+)*\s*(?:mg|mcg|ug|g|ml|unt|units?|meq|mmol|%|iu|hr|actuat)(?:\/(?:ml|hr|actuat|mg))?(?![a-z])/g;
/** Words of forms and routes, which RxNorm puts behind the strength. */
const FORM =
  /\b(?:oral|tablets?|capsules?|solution|suspension|injection|injectable|extended|delayed|release|disintegrating|chewable|film|coated|prefilled|syringe|pen|injector|inhaler|inhalation|metered|dose|powder|topical|cream|ointment|gel|patch|transdermal|ophthalmic|nasal|spray|sublingual|24|12)\b/g;

/** Words behind an ingredient that name its salt, ester or water. */
const SALT =
  /\s(?:(?:di|tri|mono|hemi)?(?:hydrochloride|hydrobromide|sodium|potassium|calcium|magnesium|sulfate|phosphate|nitrate|hydrate|acetate|propionate|citrate)|tartrate|bitartrate|succinate|maleate|fumarate|mesylate|besylate|tosylate|gluconate|carbonate|chloride|bromide|medoxomil|etexilate|proxetil|axetil|disoproxil|furoate|xinafoate|hyclate|pamoate|tromethamine|anhydrous)$/;

/** `metformin hydrochloride` as `metformin` and its salt; an ingredient that is nothing but a salt stays whole. */
function withoutSalt(part: string): { base: string; salt: string } {
  let base = part;
  for (let found = SALT.exec(base); found; found = SALT.exec(base)) base = base.slice(0, found.index);
  return { base, salt: part.slice(base.length).trim() };
}

/**
 * The ingredients and strengths in the names of a drug's concept. A product's RxNorm name is its ingredients with their
 * strengths, then its form, then its brand in square brackets; a note's is mostly the ingredient. Undefined where names
 * disagree, or say nothing.
 */
export function drugOf(concept: unknown): Drug | undefined {
  const {
    text,
    coding = [],
    display,
  } = (concept ?? {}) as {
    text?: string;
    coding?: Coding[];
    display?: string;
  };
  // A code's own name says more surely what it is than the words of a note, which may be a brand.
  const name = coding.find((c) => c.display)?.display ?? display ?? text;
  if (typeof name !== 'string' || name.length > MAX_NAME_CHARS) return undefined;
  const plain = name.toLowerCase().replace(/\[[^\]]*\]/g, ' ');
  const parts = plain.split(' / ').map((part) =>
    part
      .replace(STRENGTH, ' ')
      .replace(FORM, ' ')
      .replace(/[^\p{L}\p{N}]+/gu, ' ')
      .trim(),
  );
  if (parts.some((part) => part === '')) return undefined;
  const strengths = (plain.match(STRENGTH) ?? []).map((s) => s.replace(/\s+/g, ' '));
  const named = parts.map(withoutSalt).sort((a, b) => (a.base < b.base ? -1 : 1));
  const salts = named.map((n) => n.salt);
  return {
    ingredients: named.map((n) => n.base).join(' / '),
    salts: salts.some((salt) => salt !== '') ? salts.join(' / ') : undefined,
    strengths: strengths.length > 0 ? [strengths.join(' / ')] : [],
  };
}

/** Longer names are no drug's. */
const MAX_NAME_CHARS = 300;
