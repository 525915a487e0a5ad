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

/** Characters of up to 255 that a key of two numbers holds: most words are found without reading them again. */
const KEY_CHARACTERS = 8;
const KEY_OF_LONGER = -1;

/** Per slot two numbers of the key, index + 1 and nothing. */
const slots = new Int32Array(4 * SLOTS);
/** Text and norm of each word. */
let strings: string[] = [];
/** Number of the first form of the table. */
let base = 0;
/** Where `findForm` would have found the word that it did not. */
let free = 0;
let freeLow = 0;
let freeHigh = 0;

/** Called before a text is split: drops a full table. */
export function makeRoomForForms(): void {
  if (strings.length < 2 * FORMS_MAX) return;
  base += FORMS_MAX;
  strings = [];
  slots.fill(0);
}

/** The index in the table of `text[start, end)`; `NO_FORM` where it is not there. */
export function findForm(text: string, start: number, end: number): number {
  let low = 0;
  let high = 0;
  let bits = 0;
  if (end - start <= KEY_CHARACTERS) {
    for (let at = start; at < end; at++) {
      const code = text.charCodeAt(at);
      bits |= code;
      high = (high << 8) | (low >>> 24);
      low = (low << 8) | code;
    }
  } else bits = 0x100;
  if (bits > 0xff) return findLonger(text, start, end);
  let slot = slotOf(low, high);
  for (;;) {
    const index = slots[slot + 2]! - 1;
    if (index < 0) return notFound(slot, low, high);
    if (slots[slot] === low && slots[slot + 1] === high) return index;
    slot = (slot + 4) & (4 * SLOTS - 1);
  }
}

function slotOf(low: number, high: number): number {
  let hash = Math.imul(low ^ Math.imul(high, 0x5bd1e995), 0x9e3779b1);
  hash ^= hash >>> 15;
  return (hash & (SLOTS - 1)) << 2;
}

function notFound(slot: number, low: number, high: number): number {
  free = slot;
  freeLow = low;
  freeHigh = high;
  return NO_FORM;
}

/** Where a key does not hold the word: by a hash and the word itself. No shorter key is like `KEY_OF_LONGER`. */
function findLonger(text: string, start: number, end: number): number {
  let hash = end - start;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x5bd1e995);
  let slot = slotOf(hash, KEY_OF_LONGER);
  for (;;) {
    const index = slots[slot + 2]! - 1;
    if (index < 0) return notFound(slot, hash, KEY_OF_LONGER);
    if (
      slots[slot] === hash &&
      slots[slot + 1] === KEY_OF_LONGER &&
      isText(strings[2 * index]!, text, start, end)
    )
      return index;
    slot = (slot + 4) & (4 * SLOTS - 1);
  }
}

function isText(form: string, text: string, start: number, end: number): boolean {
  if (form.length !== end - start) return false;
  for (let at = start; at < end; at++) if (form.charCodeAt(at - start) !== text.charCodeAt(at)) return false;
  return true;
}

/** Takes in the word that `findForm` did not find last; the norm depends on the word alone. Returns its index. */
export function addForm(word: string, norm: string): number {
  if (word.length > FORM_MAX_CHARACTERS || strings.length >= 2 * FORMS_MAX) return NO_FORM;
  const text = ownCopy(word);
  strings.push(text, norm === word ? text : ownCopy(norm));
  slots[free] = freeLow;
  slots[free + 1] = freeHigh;
  slots[free + 2] = strings.length / 2;
  return strings.length / 2 - 1;
}

/** A token of the word of this index. */
export function tokenOfForm(start: number, end: number, index: number): Token {
  return { start, end, text: strings[2 * index]!, norm: strings[2 * index + 1]!, form: base + index };
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
