import type { Token } from '../model.js';
import { ownCopy } from './own-copy.js';

/**
 * The words as they are written, each held once and numbered: a token's text and norm are then no strings of its own, and
 * what a stage knows of a word is read by its number (`ByForm`). A thread has one table. When it is full the next text
 * begins a new one with higher numbers, so that a number never means two words; until then further words have none.
 */
export const NO_FORM = -1;
const FORMS_MAX = 65_536;
/** Longer words are broken input or rare. */
const FORM_MAX_CHARACTERS = 32;
const SLOTS = 2 * FORMS_MAX;

/** Pairs of hash and index + 1. */
const slots = new Int32Array(2 * SLOTS);
let texts: string[] = [];
let norms: string[] = [];
/** Number of the first form of the table. */
let base = 0;
/** Where `findForm` would have found the word that it did not. */
let freeSlot = 0;
let freeHash = 0;

/** Called before a text is split: drops a full table. */
export function makeRoomForForms(): void {
  if (texts.length < FORMS_MAX) return;
  base += FORMS_MAX;
  texts = [];
  norms = [];
  slots.fill(0);
}

/** The index in the table of `text[start, end)`; `NO_FORM` where it is not there. */
export function findForm(text: string, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x5bd1e995);
  hash ^= hash >>> 15;
  let slot = hash & (SLOTS - 1);
  for (;;) {
    const index = slots[2 * slot + 1]! - 1;
    if (index < 0) {
      freeSlot = slot;
      freeHash = hash;
      return NO_FORM;
    }
    if (slots[2 * slot] === hash && isText(texts[index]!, text, start, end)) return index;
    slot = (slot + 1) & (SLOTS - 1);
  }
}

function isText(form: string, text: string, start: number, end: number): boolean {
  if (form.length !== end - start) return false;
  for (let at = start; at < end; at++) if (form.charCodeAt(at - start) !== text.charCodeAt(at)) return false;
  return true;
}

/** Takes in the word that `findForm` did not find last; the norm depends on the word alone. Returns its index. */
export function addForm(word: string, norm: string): number {
  if (word.length > FORM_MAX_CHARACTERS || texts.length >= FORMS_MAX) return NO_FORM;
  const text = ownCopy(word);
  texts.push(text);
  norms.push(norm === word ? text : ownCopy(norm));
  slots[2 * freeSlot] = freeHash;
  slots[2 * freeSlot + 1] = texts.length;
  return texts.length - 1;
}

/** A token of the word of this index. */
export function tokenOfForm(start: number, end: number, index: number): Token {
  return { start, end, text: texts[index]!, norm: norms[index]!, form: base + index };
}

const UNKNOWN = -0x8000_0000;

/** A whole number for each word, worked out when it is first asked for. */
export class ByForm {
  private base = -1;
  private values = new Int32Array(0);

  /** @param of what is asked for, of a token; above -2³¹. */
  constructor(private readonly of: (token: Token) => number) {}

  get(token: Token): number {
    if (this.base !== base) this.clear();
    const index = token.form === undefined ? -1 : token.form - base;
    if (index < 0) return this.of(token);
    const known = index < this.values.length ? this.values[index]! : UNKNOWN;
    return known === UNKNOWN ? this.learn(token, index) : known;
  }

  /** Forgets all. */
  clear(): void {
    this.base = base;
    this.values.fill(UNKNOWN);
  }

  private learn(token: Token, index: number): number {
    const value = this.of(token);
    if (index >= this.values.length) {
      const values = new Int32Array(Math.min(FORMS_MAX, Math.max(4096, 2 * index))).fill(UNKNOWN);
      values.set(this.values);
      this.values = values;
    }
    this.values[index] = value;
    return value;
  }
}
