import type { Coding } from '../api.js';
import { searchText } from '../words.js';

/** What a criterion can be about, as rows: the type that is searched, the parameters of its code and date. */
export interface Subject {
  readonly type: string;
  readonly name: string;
  readonly code: string;
  readonly date: string | undefined;
  /** Element that holds the code. */
  readonly element: string;
}

const subject = (
  type: string,
  name: string,
  code: string,
  date: string | undefined,
  element: string,
): Subject => ({
  type,
  name,
  code,
  date,
  element,
});
export const SUBJECTS: readonly Subject[] = [
  subject('Condition', 'Condition', 'code', 'onset-date', 'code'),
  subject('MedicationStatement', 'Medication taken', 'code', 'effective', 'medicationCodeableConcept'),
  subject('MedicationRequest', 'Medication ordered', 'code', 'authoredon', 'medicationCodeableConcept'),
  subject('Procedure', 'Procedure', 'code', 'date', 'code'),
  subject('Observation', 'Result', 'code', 'date', 'code'),
  subject('Immunization', 'Vaccination', 'vaccine-code', 'date', 'vaccineCode'),
  subject('AllergyIntolerance', 'Allergy', 'code', 'date', 'code'),
  subject('FamilyMemberHistory', 'Illness in the family', 'code', undefined, 'condition'),
  subject('Encounter', 'Encounter', 'type', 'date', 'type'),
];
export const subjectOf = (type: string): Subject | undefined => SUBJECTS.find((s) => s.type === type);

/** What is searched: codes of a type, the person, or a search as it is written. */
export interface Find {
  /** A type of SUBJECTS, `Patient`, or `search`. */
  readonly about: string;
  readonly codes: readonly Coding[];
  /** FHIR dates. */
  readonly from: string;
  readonly to: string;
  /** Of a result: gt, ge, lt, le or nothing. */
  readonly comparator: string;
  readonly value: string;
  readonly gender: string;
  /** Years. */
  readonly minAge: string;
  readonly maxAge: string;
  readonly search: string;
}

export interface Leaf {
  readonly kind: 'leaf';
  readonly id: number;
  readonly not: boolean;
  readonly find: Find;
  readonly min: string;
  readonly max: string;
  readonly relation: '' | 'after' | 'before' | 'within';
  readonly days: string;
  readonly other: Find;
}

export interface Branch {
  readonly kind: 'branch';
  readonly id: number;
  readonly not: boolean;
  readonly join: 'and' | 'or';
  readonly items: readonly Node[];
}

export type Node = Leaf | Branch;
/** A criterion as `$cohort` takes it. */
export type Criteria = Record<string, unknown>;

let ids = 0;
const NOTHING: Find = {
  about: 'Condition',
  codes: [],
  from: '',
  to: '',
  comparator: '',
  value: '',
  gender: '',
  minAge: '',
  maxAge: '',
  search: '',
};

export const newLeaf = (about = 'Condition'): Leaf => ({
  kind: 'leaf',
  id: ++ids,
  not: false,
  find: { ...NOTHING, about },
  min: '',
  max: '',
  relation: '',
  days: '',
  other: NOTHING,
});
export const newBranch = (join: 'and' | 'or', items: readonly Node[]): Branch => ({
  kind: 'branch',
  id: ++ids,
  not: false,
  join,
  items,
});

/** The search of a criterion; undefined while it says nothing. `today` is the day ages are counted at. */
export function searchOf(find: Find, today: Date): string | undefined {
  if (find.about === 'search') return find.search.trim() || undefined;
  const parts: string[] = [];
  if (find.about === 'Patient') {
    if (find.gender) parts.push(`gender=${find.gender}`);
    // Who is at least 40 was born 40 years ago or before; who is at most 49 less than 50 years ago.
    if (find.minAge) parts.push(`birthdate=le${yearsAgo(Number(find.minAge), today)}`);
    if (find.maxAge) parts.push(`birthdate=gt${yearsAgo(Number(find.maxAge) + 1, today)}`);
  } else {
    const { code, date } = subjectOf(find.about)!;
    const tokens = find.codes.map(
      (c) => `${c.system ? `${escaped(c.system)}|` : ''}${escaped(c.code ?? '')}`,
    );
    const measured = find.about === 'Observation' && find.comparator && find.value && tokens.length > 0;
    if (measured)
      parts.push(
        `code-value-quantity=${tokens.map((t) => `${t}$${find.comparator}${find.value}`).join(',')}`,
      );
    else if (tokens.length > 0) parts.push(`${code}=${tokens.join(',')}`);
    if (date && find.from) parts.push(`${date}=ge${find.from}`);
    if (date && find.to) parts.push(`${date}=le${find.to}`);
  }
  return parts.length > 0 ? `${find.about}?${parts.join('&')}` : find.about;
}

/** What means something in a search stands for itself; what means something in an address does too. */
const escaped = (text: string): string =>
  text.replace(/[\\,$|]/g, '\\$&').replace(/[%&#+]/g, (c) => encodeURIComponent(c));

function yearsAgo(years: number, today: Date): string {
  const day = new Date(today);
  day.setUTCFullYear(day.getUTCFullYear() - years);
  return day.toISOString().slice(0, 10);
}

/**
 * The tree as criteria; undefined where it says nothing. `places` takes where each node stands in them, as
 * `$cohort-preview` names it.
 */
export function criteriaOf(
  node: Node,
  today: Date,
  places: Map<number, string>,
  at = 'criteria',
): Criteria | undefined {
  const inner = node.not ? `${at}.not` : at;
  const own = node.kind === 'leaf' ? leafOf(node, today) : branchOf(node, today, places, inner);
  if (!own) return undefined;
  places.set(node.id, at);
  return node.not ? { not: own } : own;
}

function branchOf(node: Branch, today: Date, places: Map<number, string>, at: string): Criteria | undefined {
  const items: Criteria[] = [];
  for (const item of node.items) {
    const one = criteriaOf(item, today, places, `${at}.${node.join}[${items.length}]`);
    if (one) items.push(one);
  }
  return items.length > 0 ? { [node.join]: items } : undefined;
}

function leafOf(leaf: Leaf, today: Date): Criteria | undefined {
  const search = searchOf(leaf.find, today);
  if (search === undefined) return undefined;
  const other = leaf.relation && searchOf(leaf.other, today);
  const days = Number(leaf.days);
  const related = other && (leaf.relation !== 'within' || days > 0);
  return {
    search,
    ...(related && { [leaf.relation]: { search: other, ...(days > 0 && { withinDays: days }) } }),
    ...((leaf.min || leaf.max) && {
      count: { ...(leaf.min && { min: Number(leaf.min) }), ...(leaf.max && { max: Number(leaf.max) }) },
    }),
  };
}

/** Criteria in words, for a cohort that is there. */
export function inWords(criteria: Criteria): string {
  if (Array.isArray(criteria.and)) return `(${criteria.and.map(inWords).join(' and ')})`;
  if (Array.isArray(criteria.or)) return `(${criteria.or.map(inWords).join(' or ')})`;
  if (criteria.not) return `not ${inWords(criteria.not as Criteria)}`;
  const count = criteria.count as { min?: number; max?: number } | undefined;
  const relation = (['after', 'before', 'within'] as const).find((name) => criteria[name]);
  const other = relation && (criteria[relation] as { search: string; withinDays?: number });
  return [
    searchText(String(criteria.search)),
    other &&
      `${other.withinDays ? `${relation === 'within' ? 'within' : `at most`} ${other.withinDays} days ${relation === 'within' ? 'of' : relation}` : relation} ${searchText(other.search)}`,
    count &&
      `${[count.min !== undefined && `at least ${count.min}`, count.max !== undefined && `at most ${count.max}`].filter(Boolean).join(', ')} times`,
  ]
    .filter(Boolean)
    .join(' ');
}
