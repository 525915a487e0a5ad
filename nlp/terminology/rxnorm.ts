// RxNorm: ingredients, salts, combinations, brands and whole products, with what each is made of.
import type { LexiconBuilder } from '../2-mention/lexicon-builder.js';
import { FLAG } from '../2-mention/lexicon-file.js';
import type { RxNormRow, TerminologyTables } from './tables.js';

export const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const PRODUCT_TYPES = new Set(['SCD', 'SBD', 'GPCK', 'BPCK']);

/** Ingredient names of a product's display, without strengths: "1 ML epoetin alfa 4000 UNT/ML Injection". */
export function ingredientsOfProduct(display: string): string[] {
  const plain = display.replace(/\s*\[[^\]]*\]\s*$/, '');
  return plain.split(' / ').map((part) =>
    part
      .replace(
        /^(?:NDA\d+ |BLA\d+ |ANDA\d+ )?(?:Abuse-Deterrent )?(?:[\d.]+ (?:ML|HR|ACTUAT|MG|UNT|SQCM) |\(expressed as [^)]*\) )*/i,
        '',
      )
      .replace(
        / [\d.,]+ (?:MG|MCG|UNT|MEQ|ML|MMOL|%|CELLS|BAU|AMB|PNU|CFU|VECTOR|IU|G|NG|BILLION|MILLION|TOPICAL|SQ|LF|ACTUAT|HR|MCI|KIU|HEP|AU)\b.*$/i,
        '',
      )
      .trim(),
  );
}

/** Adds the rows of RxNorm. */
export function addRxNorm(
  builder: LexiconBuilder,
  tables: Pick<TerminologyTables, 'rxnorm' | 'rxnorm_brand_alias'>,
): void {
  const rows = tables.rxnorm;
  const stated = rows.filter((row) => row.source.startsWith('RxNorm'));
  const others = rows.filter((row) => !row.source.startsWith('RxNorm'));
  const ingredient = new Map<string, number>();

  const addIngredient = (row: RxNormRow): number => {
    const id = builder.concept(
      RXNORM,
      row.code,
      row.name.toLowerCase() === row.name ? row.name : row.name.charAt(0).toLowerCase() + row.name.slice(1),
      row.type,
    );
    ingredient.set(row.name.toLowerCase(), id);
    return id;
  };
  for (const row of stated.filter((row) => row.type === 'IN')) addIngredient(row);
  for (const row of agreedIngredients(others))
    if (!ingredient.has(row.name.toLowerCase())) addIngredient(row);
  for (const [name, id] of [...ingredient]) {
    builder.phrase(name, 'medication', FLAG.ingredient, [id]);
    for (const variant of ingredientVariants(name))
      builder.phrase(variant, 'medication', FLAG.ingredient, [id]);
  }
  // A salt keeps the way to its base, so that "metoprolol succinate" can fall back on metoprolol.
  const salts = new Map<string, number>();
  for (const row of stated.filter((row) => row.type === 'PIN')) {
    const base = baseOf(row.name.toLowerCase(), ingredient);
    const id = builder.concept(RXNORM, row.code, row.name, 'PIN', base === undefined ? [] : [base]);
    salts.set(row.name.toLowerCase(), id);
    builder.phrase(row.name, 'medication', FLAG.ingredient, base === undefined ? [id] : [id, base]);
  }
  const partsOf = (names: readonly string[]): number[] | undefined => {
    const ids: number[] = [];
    for (const name of names) {
      const lower = name.toLowerCase();
      const id = ingredient.get(lower) ?? baseOf(lower, ingredient) ?? salts.get(lower);
      if (id === undefined) return undefined;
      if (!ids.includes(id)) ids.push(id);
    }
    return ids;
  };
  for (const row of stated.filter((row) => row.type === 'MIN')) {
    const names = row.name.split(' / ');
    const parts = partsOf(names);
    const id = builder.concept(RXNORM, row.code, row.name, 'MIN', parts ?? []);
    if (names.length > 4) continue;
    for (const order of orders(names)) {
      builder.phrase(order.join(' / '), 'medication', FLAG.ingredient, [id]);
      if (names.length === 2) builder.phrase(order.join(' and '), 'medication', FLAG.ingredient, [id]);
      if (names.length === 2) builder.phrase(order.join(' + '), 'medication', FLAG.ingredient, [id]);
    }
  }
  // Combinations that only our own rows name: their parts come from their name.
  for (const row of others.filter((row) => row.type === 'MIN')) {
    if (builder.findConcept(RXNORM, row.code) === undefined) continue;
    builder.concept(RXNORM, row.code, row.name, 'MIN', partsOf(row.name.split(' / ')) ?? []);
  }
  const byCode = new Map(rows.map((row) => [row.code, row]));
  const alias = new Map((tables.rxnorm_brand_alias ?? []).map((row) => [row.brand_rxcui, row]));
  for (const row of stated.filter((row) => row.type === 'BN')) {
    const codes = row.ingredient_rxcui
      ? row.ingredient_rxcui.split('|')
      : (alias.get(row.code)?.ingredient_rxcuis.split('|') ?? []);
    const parts = codes
      .filter((code) => byCode.get(code)?.type === 'IN')
      .map((code) => builder.findConcept(RXNORM, code))
      .filter((id): id is number => id !== undefined);
    const id = builder.concept(
      RXNORM,
      row.code,
      row.name,
      'BN',
      parts.length === codes.length || parts.length > 0 ? parts : [],
    );
    builder.phrase(row.name, 'medication', FLAG.brand, [id]);
  }
  for (const row of stated.filter((row) => PRODUCT_TYPES.has(row.type))) addProduct(row);

  function addProduct(row: RxNormRow): void {
    const pack = row.type === 'GPCK' || row.type === 'BPCK';
    const names = pack ? [] : ingredientsOfProduct(row.name);
    const parts = pack ? [] : (partsOf(names) ?? []);
    const brand = row.brand_rxcui ? builder.findConcept(RXNORM, row.brand_rxcui) : undefined;
    const id = builder.concept(
      RXNORM,
      row.code,
      row.name,
      row.type,
      brand === undefined ? parts : [...parts, brand],
    );
    const brandName = /\[([^\]]+)\]\s*$/.exec(row.name)?.[1];
    if (pack) {
      // "{28 (norethindrone 0.35 MG Oral Tablet) } Pack [Errin 28 Day]" is written "Errin 28 Day Pack".
      const packNames =
        brandName === undefined ? [] : [/pack$/i.test(brandName) ? brandName : `${brandName} Pack`];
      for (const name of [...packNames, ...row.synonyms.split('|')]) {
        if (/ pack$/i.test(name) && !name.includes('{'))
          builder.phrase(name, 'medication', FLAG.product | FLAG.whole | FLAG.brand, [id]);
      }
      return;
    }
    const whole = names.length > 1 || /\[/.test(row.name) ? FLAG.whole : 0;
    for (const name of [row.name, ...row.synonyms.split('|')]) {
      if (
        name &&
        !/\[.*\].*\[/.test(name) &&
        / \d/.test(` ${name}`) &&
        name.split(' ').length > 3 &&
        (name.includes('[') === row.name.includes('[') ||
          (brandName !== undefined && name.toLowerCase().includes(brandName.toLowerCase())))
      ) {
        builder.phrase(name, 'medication', FLAG.product | whole, [id]);
      }
    }
  }
}

/** Ingredients outside the prescribable release, where a second source agrees on name and code. */
function agreedIngredients(others: readonly RxNormRow[]): RxNormRow[] {
  const named = new Map<string, { name: string; source: string }[]>();
  for (const row of others) {
    if (row.type === 'IN') continue;
    for (const code of row.ingredient_rxcui.split('|')) {
      if (!code) continue;
      if (!named.has(code)) named.set(code, []);
      named.get(code)!.push({ name: row.name.toLowerCase(), source: row.source });
    }
  }
  return others.filter((row) => {
    if (row.type !== 'IN') return false;
    const name = row.name.toLowerCase();
    return (named.get(row.code) ?? []).some(
      (other) => other.source !== row.source && other.name.includes(name),
    );
  });
}

/** The ingredient whose name begins a salt's name, longest first: "tramadol hydrochloride" is tramadol. */
function baseOf(name: string, ingredient: ReadonlyMap<string, number>): number | undefined {
  const words = name.split(' ');
  for (let length = words.length; length > 0; length--) {
    const id = ingredient.get(words.slice(0, length).join(' '));
    if (id !== undefined) return id;
  }
  // "conjugated estrogens", "sodium fluoride": the head may come last; biosimilars carry a suffix after a hyphen.
  const unsuffixed = name.replace(/-[a-z]{4}$/, '');
  if (unsuffixed !== name && ingredient.has(unsuffixed)) return ingredient.get(unsuffixed);
  return undefined;
}

/** "insulin, regular, human" as people say it; "vitamin B12" without its gap. */
function ingredientVariants(name: string): string[] {
  const variants: string[] = [];
  if (name.includes(', ')) {
    const [head = '', ...rest] = name.split(', ');
    variants.push([head, ...rest].join(' '), [...rest, head].join(' '));
    const plain = rest.filter((word) => word !== 'human');
    if (plain.length > 0) variants.push([head, ...plain].join(' '), [...plain, head].join(' '));
  }
  if (/^vitamin [a-z]\d+$/.test(name))
    variants.push(name.replace(/ ([a-z])(\d+)$/, ' $1 $2'), name.replace(/ ([a-z])(\d+)$/, ' $1-$2'));
  return variants;
}

function orders(names: readonly string[]): (readonly string[])[] {
  if (names.length > 3) return [names];
  if (names.length === 1) return [names];
  return names.flatMap((name, i) =>
    orders([...names.slice(0, i), ...names.slice(i + 1)]).map((rest) => [name, ...rest]),
  );
}
