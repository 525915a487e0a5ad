import type { Lexicon } from '../2-mention/lexicon.js';
import { type LexiconConcept, SYSTEMS } from '../2-mention/lexicon-file.js';
import type { Attribute } from '../model.js';
import { readRules } from '../rules/load.js';

/** One row of `rules/code-forms.json`: the words for a form and the RxNorm dose forms they can mean. */
export interface FormRow {
  readonly words: readonly string[];
  readonly forms: readonly string[];
  /** A letter pair such as `ER` that narrows another form word. */
  readonly modifier?: boolean;
  readonly example: string;
}

/** A clinical drug of RxNorm taken apart. */
export interface Product {
  readonly id: number;
  readonly concept: LexiconConcept;
  readonly strengths: readonly { readonly value: number; readonly unit: string }[];
  readonly form: string;
  readonly brand: string;
}

const formsOf = new Map<string, FormRow>();
for (const row of readRules<FormRow[]>('code-forms.json'))
  for (const word of row.words) formsOf.set(word, row);

/** One row of `rules/usual-strengths.json`: the amounts that tablets and capsules of a drug come in. */
export interface StrengthRow {
  readonly drug: string;
  /** UCUM. */
  readonly unit: string;
  readonly amounts: readonly number[];
  readonly example: string;
}

/** For drugs whose products the lexicon does not have. */
const usualStrengths = new Map(
  readRules<StrengthRow[]>('usual-strengths.json').map((row) => [row.drug, row]),
);

const PRODUCT_KINDS = new Set(['SCD', 'SBD']);
const COMBINATION_KINDS = new Set(['MIN']);
const TOLERANCE = 0.001;

/** Finds RxNorm products by ingredients, strength and form. */
export interface ProductIndex {
  /**
   * The one product of these ingredients (concept numbers) that the strengths and the form name; undefined where
   * none or several do. A brand asks for the brand's product, a salt for one of that salt.
   */
  find(
    ingredients: readonly number[],
    brand: string | undefined,
    attributes: readonly Attribute[],
    tail: string,
    salt?: string,
  ): LexiconConcept | undefined;
  /**
   * The strength that a bare number names, as UCUM text: `5 mg` of apixaban, `88 ug` of levothyroxine. Undefined where
   * neither a product of the one ingredient nor `rules/usual-strengths.json` has it, or where two units would fit.
   */
  strengthOf(ingredients: readonly number[], amount: number): string | undefined;
  /** The concept of several ingredients together: "losartan / hydrochlorothiazide". */
  combination(ingredients: readonly number[]): LexiconConcept | undefined;
}

function keyOf(ingredients: readonly number[]): string {
  return [...new Set(ingredients)].sort((a, b) => a - b).join(',');
}

/** Whether a dose form is another's with more said: `Delayed Release Oral Capsule` is an `Oral Capsule`. */
function isKindOf(form: string, wider: string): boolean {
  return wider.startsWith('Oral ') && form.endsWith(` ${wider}`);
}

/** Reads the products of a lexicon once; taking them apart waits until an ingredient is asked for. */
export function createProductIndex(lexicon: Lexicon): ProductIndex {
  const { tables } = lexicon;
  let byIngredients: Map<string, number[]> | undefined;
  let combinations: Map<string, number[]> | undefined;
  const parsed = new Map<number, Product | undefined>();

  const ofKinds = (kinds: ReadonlySet<string>): Map<string, number[]> => {
    const result = new Map<string, number[]>();
    for (let id = 0; id < tables.conceptCount; id++) {
      const concept = tables.glance(id);
      if (concept.system !== 0) break;
      if (!kinds.has(concept.kind)) continue;
      const parts = concept.parts.filter((part) => tables.glance(part).kind !== 'BN');
      if (parts.length === 0) continue;
      const key = keyOf(parts);
      const list = result.get(key);
      if (list) list.push(id);
      else result.set(key, [id]);
    }
    return result;
  };

  const productOf = (id: number): Product | undefined => {
    if (!parsed.has(id)) parsed.set(id, parseProduct(id, tables.glance(id)));
    return parsed.get(id);
  };

  return {
    find(ingredients, brand, attributes, tail, salt) {
      const wantedForms = formsNamed(attributes, tail);
      if (wantedForms.length === 0) return undefined;
      const strengths = strengthsNamed(attributes);
      if (strengths.length === 0) return undefined;
      byIngredients ??= ofKinds(PRODUCT_KINDS);
      const ids = byIngredients.get(keyOf(ingredients)) ?? [];
      const found: Product[] = [];
      const near: Product[] = [];
      for (const id of ids) {
        const product = productOf(id);
        if (!product) continue;
        if (salt !== undefined && !product.concept.display.toLowerCase().includes(salt.toLowerCase()))
          continue;
        const form = wantedForms.includes(product.form);
        if (!form && !wantedForms.some((wanted) => isKindOf(product.form, wanted))) continue;
        if (brand === undefined ? product.brand !== '' : product.brand.toLowerCase() !== brand.toLowerCase())
          continue;
        if (sameStrengths(product.strengths, strengths)) (form ? found : near).push(product);
      }
      // A 24-hour and a 12-hour form of the same strength are told apart by words that the note must have.
      if (found.length > 0) return found.length === 1 ? found[0]!.concept : undefined;
      // An omeprazole capsule is a delayed release one, since there is no other.
      return near.length === 1 ? near[0]!.concept : undefined;
    },
    strengthOf(ingredients, amount) {
      if (new Set(ingredients).size !== 1) return undefined;
      byIngredients ??= ofKinds(PRODUCT_KINDS);
      const units = new Set<string>();
      for (const id of byIngredients.get(keyOf(ingredients)) ?? []) {
        const [strength] = productOf(id)?.strengths ?? [];
        if (strength?.unit !== 'MG') continue;
        if (isSame(strength.value, amount)) units.add('mg');
        if (isSame(strength.value, amount / 1000)) units.add('ug');
      }
      if (units.size === 0) {
        const usual = usualStrengths.get(tables.glance(ingredients[0]!).display.toLowerCase());
        if (usual?.amounts.includes(amount)) units.add(usual.unit);
      }
      return units.size === 1 ? `${amount} ${[...units][0]}` : undefined;
    },
    combination(ingredients) {
      combinations ??= ofKinds(COMBINATION_KINDS);
      const ids = combinations.get(keyOf(ingredients)) ?? [];
      return ids.length === 1 ? tables.concept(ids[0]!) : undefined;
    },
  };
}

const AMOUNT = /([\d.,]+) (MG|MCG|UNT|MEQ|ML|%|G|NG|MMOL)(?:\/(ML|ACTUAT|HR|MG|DAY))?/g;

/** Takes a display such as "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet [X]" apart. */
export function parseProduct(id: number, concept: LexiconConcept): Product | undefined {
  const brand = /\[([^\]]*)\]\s*$/.exec(concept.display)?.[1] ?? '';
  const plain = concept.display.replace(/\s*\[[^\]]*\]\s*$/, '');
  const parts = plain
    .split(' / ')
    .map((part) => part.replace(/^(?:NDA\d+ )?(?:[\d.]+ (?:HR|ML|ACTUAT) )+/, ''));
  const strengths: { value: number; unit: string }[] = [];
  let form = '';
  for (const part of parts) {
    AMOUNT.lastIndex = 0;
    const amount = AMOUNT.exec(part);
    if (!amount) return undefined;
    strengths.push(canonical(Number(amount[1]!.replace(/,/g, '')), amount[2]!, amount[3]));
    form = part.slice(amount.index + amount[0].length).trim();
  }
  return form === '' ? undefined : { id, concept, strengths, form, brand };
}

function canonical(value: number, unit: string, per: string | undefined): { value: number; unit: string } {
  const scaled =
    unit === 'MCG'
      ? [value / 1000, 'MG']
      : unit === 'G'
        ? [value * 1000, 'MG']
        : unit === 'NG'
          ? [value / 1e6, 'MG']
          : [value, unit];
  const below =
    per === 'MG' ? '/MG' : per === 'ML' ? '/ML' : per === 'HR' ? '/HR' : per === 'DAY' ? '/DAY' : '';
  return { value: scaled[0] as number, unit: `${scaled[1]}${below}` };
}

const UCUM: Readonly<Record<string, string>> = {
  mg: 'MG',
  ug: 'MCG',
  g: 'G',
  ng: 'NG',
  '[iU]': 'UNT',
  meq: 'MEQ',
  mmol: 'MMOL',
  mL: 'ML',
};

/** Strengths that the note gives, in the units of `parseProduct`. */
function strengthsNamed(attributes: readonly Attribute[]): { value: number; unit: string }[] {
  const strength = attributes.find((each) => each.type === 'strength' && each.normalized !== undefined);
  if (!strength) return [];
  const result: { value: number; unit: string }[] = [];
  for (const part of strength.normalized!.split(' / ')) {
    const match = /^([\d.]+) (%|\[iU\]|[a-zA-Z]+)(?:\/(mL|h|d|\{actuat\}|\{puff\}))?$/.exec(part);
    if (!match) return [];
    if (match[2] === '%') {
      result.push({ value: Number(match[1]) * 10, unit: 'MG/ML' });
      continue;
    }
    const unit = UCUM[match[2]!];
    if (unit === undefined) return [];
    result.push(
      canonical(
        Number(match[1]),
        unit,
        match[3] === 'mL' ? 'ML' : match[3] === 'h' ? 'HR' : match[3] === 'd' ? 'DAY' : undefined,
      ),
    );
  }
  return result;
}

function isSame(one: number, other: number): boolean {
  return Math.abs(one - other) <= TOLERANCE * Math.max(1e-3, one);
}

function sameStrengths(
  product: readonly { value: number; unit: string }[],
  note: readonly { value: number; unit: string }[],
): boolean {
  if (product.length !== note.length) return false;
  const open = [...note];
  for (const each of product) {
    const at = open.findIndex(
      (other) =>
        other.unit === each.unit.replace(/^MG\/MG$/, 'MG/ML') &&
        Math.abs(other.value - each.value * (each.unit === 'MG/MG' ? 1000 : 1)) <=
          TOLERANCE * Math.max(1, each.value),
    );
    if (at < 0) return false;
    open.splice(at, 1);
  }
  return true;
}

/** RxNorm dose forms that the note's words allow; empty where it names none. */
function formsNamed(attributes: readonly Attribute[], tail: string): readonly string[] {
  let forms: readonly string[] | undefined;
  let modifier: readonly string[] | undefined;
  const words = attributes
    .filter((each) => each.type === 'form')
    .map((each) => each.text.toLowerCase().replace(/\s+/g, ' '));
  const suffix = /^[\s,-]*(er|xr|sr|xl|la|cr|dr|ec|odt)\b/i.exec(tail);
  if (suffix) words.push(suffix[1]!.toLowerCase());
  for (const word of words) {
    const row = formsOf.get(word);
    if (!row) continue;
    if (row.modifier) modifier = row.forms;
    else forms ??= row.forms;
  }
  if (!modifier) return forms ?? [];
  if (!forms) return modifier;
  const kind = forms[0]!.includes('Capsule') ? 'Capsule' : 'Tablet';
  return modifier.filter((form) => form.endsWith(kind));
}

export const RXNORM = SYSTEMS[0];
