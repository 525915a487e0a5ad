import type { PhiKind } from '../model.js';
import { readRules } from '../rules/load.js';

/** `rules/phi.json`: the words around personal data. Lists are words split by spaces, phrases split by `|`. */
export interface PhiRules {
  readonly titles: readonly { readonly words: string; readonly example: string }[];
  readonly credentials: readonly string[];
  readonly nameLabels: readonly { readonly words: string; readonly example: string }[];
  readonly idLabels: readonly { readonly kind: PhiKind; readonly words: string; readonly example: string }[];
  readonly relations: string;
  readonly particles: string;
  readonly dateLabels: string;
  readonly organisationEnds: string;
  readonly organisationGeneric: string;
  readonly streets: string;
  readonly states: string;
  readonly stateNames: string;
  readonly placeCues: string;
  readonly notNames: string;
  /** Names of countries, which need not be hidden. */
  readonly countries: string;
  /** Expression of the days that are called by a name. */
  readonly holidays: string;
  /** Expression of chains of shops, insurers and crews that notes name. */
  readonly companies: string;
}

export const phiRules = readRules<PhiRules>('phi.json');
const nameRows = readRules<{ given: string; family: string; ordinary: string }>('phi-names.json');

export const wordSet = (words: string): ReadonlySet<string> => new Set(words.toLowerCase().split(/[ |]+/));

/** Common given and family names, and those of both that are ordinary or clinical words too. */
export const GIVEN = wordSet(nameRows.given);
export const FAMILY = wordSet(nameRows.family);
export const ORDINARY = wordSet(nameRows.ordinary);

/** An expression of alternatives, longest first; white space in a phrase stands for any on one line. */
export function alternation(phrases: readonly string[]): string {
  return [...phrases]
    .sort((a, b) => b.length - a.length)
    .map((phrase) => phrase.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/ /g, '[ \\t]{1,3}'))
    .join('|');
}

/** One stretch of personal data, before overlaps are settled. */
export interface Found {
  readonly start: number;
  readonly end: number;
  readonly kind: PhiKind;
  readonly score: number;
  readonly rule: string;
}
