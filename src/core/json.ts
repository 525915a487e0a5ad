import { randomBytes } from 'node:crypto';
import { Fault } from './fault.js';
import { locateJsonError } from './json-error.js';

/** Objects and arrays may be nested this deep; deeper JSON could be parsed but not walked or written back. */
export const MAX_JSON_DEPTH = 64;

/** Members of one object; FHIR's widest element has under 100. */
const MAX_JSON_MEMBERS = 10_000;

/** A member name may be this many UTF-16 units long; FHIR's longest is under 50. */
const MAX_KEY_UNITS = 256;

/**
 * A number whose digits JavaScript would change (`1.10`, 20 digits, `1e400`, `-0`). FHIR decimals keep their precision,
 * so the text is kept beside the value. It behaves as a number in arithmetic and comparison.
 */
export class Decimal {
  /** The digits as they came. */
  readonly raw: string;

  constructor(raw: string) {
    this.raw = raw;
  }

  valueOf(): number {
    return Number(this.raw);
  }

  toString(): string {
    return this.raw;
  }

  /** Inside `stringifyJson` the exact digits; in a plain `JSON.stringify` the nearest number. */
  toJSON(): unknown {
    if (!writing) return Number(this.raw);
    writing.used = true;
    return `${writing.mark}${this.raw}`;
  }
}

/** The value of a JSON number, whether it came as a number or as a `Decimal`; undefined for anything else. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return value instanceof Decimal ? Number(value.raw) : undefined;
}

/** The digits of a JSON number as they came; undefined for anything else. */
export function digitsOf(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value);
  return value instanceof Decimal ? value.raw : undefined;
}

let writing: { mark: string; used: boolean } | undefined;

/** Writes JSON, decimals digit for digit. The inverse of `parseJson`. `space` indents as in `JSON.stringify`. */
export function stringifyJson(value: unknown, space?: number): string {
  // A mark that nobody can foresee stands before each decimal's digits until the quotes around them are removed.
  const outer = writing;
  writing = { mark: '', used: false };
  writing.mark = mark();
  try {
    const text = JSON.stringify(value, undefined, space);
    if (!writing.used) return text;
    return text.replaceAll(new RegExp(`"${writing.mark}([-+.eE0-9]+)"`, 'g'), '$1');
  } finally {
    writing = outer;
  }
}

let markSeed = '';
let markCount = 0;

function mark(): string {
  // Fresh random bytes cost 1 µs a call; a secret prefix with a counter is as hard to foresee.
  if (markCount === 0 || markCount > 1e9) {
    markSeed = randomBytes(16).toString('hex');
    markCount = 0;
  }
  markCount++;
  return `@${markSeed}.${markCount}@`;
}

interface LossyNumber {
  readonly path: (string | number)[];
  readonly raw: string;
}

/** Elements of one list, where values are limited: no list of a resource or a bundle may have more anyway. */
const MAX_ELEMENTS = 250_000;

const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COLON = 58;
const COMMA = 44;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;
const DOT = 46;

/**
 * Parses JSON without losing anything: decimals whose digits a number cannot hold become `Decimal`.
 * @throws Fault `invalid` with line and column (never the text) for JSON that is malformed, nested deeper than
 * `MAX_JSON_DEPTH`, has a member twice, a member `__proto__`, a NUL or half a surrogate pair; RFC 8259 leaves these
 * open and readers disagree about them, so that what was signed or checked need not be what is read. `too-large` for
 * more values than `maxValues`, or a list of more than `MAX_ELEMENTS` where they are limited: a million of them are 2 MB, and
 * would keep everybody else waiting.
 */
export function parseJson(text: string, maxValues = Number.POSITIVE_INFINITY): unknown {
  return parsed(text, scan(text, maxValues).lossy);
}

/**
 * As `parseJson`, telling whether the text is exactly what `stringifyJson` would write of the value: nothing between its
 * tokens, no escapes, no member whose name JavaScript would put before others.
 */
export function parseJsonLine(text: string): { readonly value: unknown; readonly canonical: boolean } {
  const { lossy, compact } = scan(text, Number.POSITIVE_INFINITY);
  return { value: parsed(text, lossy), canonical: compact && !text.includes('\\') };
}

/** The value of a text that was scanned, numbers that JavaScript cannot hold in their own form. */
function parsed(text: string, lossy: ReturnType<typeof scan>['lossy']): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fault(text, locateJsonError(text), 'The text is not valid JSON');
  }
  for (const n of lossy) value = patched(value, n);
  return value;
}

/** Puts a Decimal in its place; `value` is fresh from the parser, so nobody else sees the change. */
function patched(value: unknown, { path, raw }: LossyNumber): unknown {
  const last = path.at(-1);
  if (last === undefined) return new Decimal(raw);
  let at = value as Record<string | number, unknown>;
  for (let i = 0; i < path.length - 1; i++) at = at[path[i]!] as Record<string | number, unknown>;
  at[last] = new Decimal(raw);
  return value;
}

/** Per open container: is it an object, and where its current member's name stands or its current index. */
interface Level {
  isObject: boolean;
  keyStart: number;
  keyEnd: number;
  index: number;
  readonly names: NameList;
}

interface Scanned {
  readonly lossy: LossyNumber[];
  /** No white space between tokens, and no member whose name begins like a number. */
  readonly compact: boolean;
}

/** Made once: a scan runs to its end before another begins, and a line of NDJSON is too short to make them anew. */
const levels: Level[] = [];

/**
 * One pass over the structure: strings are skipped at the speed of `indexOf`, everything else is read. It presumes
 * well-formed JSON and only promises not to be wrong about that; `JSON.parse` then decides what is well-formed.
 */
function scan(text: string, maxValues: number): Scanned {
  let values = 1;
  let compact = true;
  const maxElements = Number.isFinite(maxValues) ? MAX_ELEMENTS : Number.POSITIVE_INFINITY;
  const lossy: LossyNumber[] = [];
  const end = text.length;
  let depth = 0;
  let level = levelAt(0);
  let nameNext = false;
  // The first backslash at or after the current string, so that each stretch without one is searched once.
  let nextEscape = -1;
  let i = 0;
  if (!isWellFormed(text)) throw fault(text, loneSurrogate(text), 'The text holds half a surrogate pair');
  while (i < end) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) {
      const start = i + 1;
      let close = text.indexOf('"', start);
      if (close < 0) return { lossy, compact }; // unterminated: the parser will say so
      if (nextEscape < start) nextEscape = indexOrEnd(text, '\\', start);
      const escaped = nextEscape < close;
      if (escaped) close = endOfEscaped(text, nextEscape);
      if (close < 0) return { lossy, compact };
      if (nameNext) {
        if (close - start > MAX_KEY_UNITS) throw fault(text, start, 'A member name is too long');
        if (!level.names.add(text, start, close, escaped)) {
          throw fault(text, start, 'A member stands twice in one object, or is named __proto__');
        }
        if (isDigit(text.charCodeAt(start))) compact = false;
        level.keyStart = start;
        level.keyEnd = close;
        nameNext = false;
      }
      i = close + 1;
      continue;
    }
    if (c === MINUS || (c >= ZERO && c <= NINE)) {
      const after = endOfNumber(text, i);
      if (isLossy(text, i, after)) {
        const path = pathTo(text, depth);
        if (!path) return { lossy, compact }; // its name is no string: the parser will say so
        lossy.push({ path, raw: text.slice(i, after) });
      }
      i = after;
      continue;
    }
    if (c === COMMA) {
      if (++values > maxValues) {
        throw new Fault('too-large', `The JSON holds more than ${maxValues} values.`, {
          issueCode: 'too-costly',
          remedy: 'Send it in smaller pieces, or use the import.',
        });
      }
      if (depth > 0) {
        if (level.isObject) nameNext = true;
        else if (++level.index >= maxElements) {
          throw new Fault('too-large', `A list in the JSON has more than ${maxElements} elements.`, {
            issueCode: 'too-costly',
            remedy: 'Send it in smaller pieces, or use the import.',
          });
        }
      }
    } else if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      if (depth === MAX_JSON_DEPTH) {
        throw fault(text, i, `JSON is nested deeper than ${MAX_JSON_DEPTH} levels`);
      }
      level = levelAt(depth);
      nameNext = c === OPEN_BRACE;
      level.isObject = nameNext;
      level.index = 0;
      if (nameNext) level.names.clear();
      depth++;
    } else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
      depth--;
      if (depth < 0) return { lossy, compact };
      if (depth > 0) level = levels[depth - 1]!;
      nameNext = false;
    } else if (c === COLON) {
      nameNext = false;
    } else if (c <= SPACE) compact = false;
    i++;
  }
  return { lossy, compact };
}

function isDigit(c: number): boolean {
  return c >= ZERO && c <= NINE;
}

function levelAt(depth: number): Level {
  let level = levels[depth];
  if (!level) {
    level = { isObject: false, keyStart: 0, keyEnd: 0, index: 0, names: new NameList() };
    levels[depth] = level;
  }
  return level;
}

/** Undefined where a name on the way is none, as in `{1.10}`: then nothing of the text is JSON. */
function pathTo(text: string, depth: number): (string | number)[] | undefined {
  try {
    return levels.slice(0, depth).map(({ isObject, keyStart, keyEnd, index }) =>
      // Through JSON.parse, since a name may hold escapes.
      isObject ? (JSON.parse(text.slice(keyStart - 1, keyEnd + 1)) as string) : index,
    );
  } catch {
    return undefined;
  }
}

/** From the first backslash of a string to its closing quote, refusing escapes that name NUL or half a pair. */
function endOfEscaped(text: string, slash: number): number {
  let at = slash;
  while (at < text.length) {
    const c = text.charCodeAt(at);
    if (c === QUOTE) return at;
    if (c !== BACKSLASH) {
      at++;
      continue;
    }
    if (text.charCodeAt(at + 1) !== 117) {
      at += 2;
      continue;
    }
    const unit = Number.parseInt(text.slice(at + 2, at + 6), 16);
    if (unit === 0) throw fault(text, at, 'The text holds a NUL character');
    if (unit >= 0xdc00 && unit <= 0xdfff) throw fault(text, at, 'The text holds half a surrogate pair');
    if (unit >= 0xd800 && unit <= 0xdbff) {
      const low = text.startsWith('\\u', at + 6) ? Number.parseInt(text.slice(at + 8, at + 12), 16) : 0;
      if (!(low >= 0xdc00 && low <= 0xdfff)) throw fault(text, at, 'The text holds half a surrogate pair');
      at += 6;
    }
    at += 6;
  }
  return -1;
}

function indexOrEnd(text: string, wanted: string, from: number): number {
  const at = text.indexOf(wanted, from);
  return at < 0 ? text.length : at;
}

/** ES2024's method, which Node 20 has and the ES2023 typings have not. */
function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}

function endOfNumber(text: string, start: number): number {
  let i = start + 1;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    // digits + - . E e
    if (!((c >= ZERO && c <= NINE) || c === DOT || c === 69 || c === 101 || c === 43 || c === MINUS)) break;
  }
  return i;
}

/** Whether `String(Number(digits))` differs from the digits. */
function isLossy(text: string, start: number, end: number): boolean {
  const length = end - start;
  let plain = length <= 16;
  let dot = -1;
  for (let i = start; plain && i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === DOT) dot = i;
    else if (c < ZERO || c > NINE) plain = c === MINUS && i === start;
  }
  if (plain && length <= 15) {
    if (dot < 0) return text.charCodeAt(start) === MINUS && text.charCodeAt(start + 1) === ZERO;
    // Up to 15 digits that do not end in zero come back as they went, unless so small that they print as 1e-7.
    if (
      text.charCodeAt(end - 1) !== ZERO &&
      text.charCodeAt(start) !== ZERO &&
      text.charCodeAt(start) !== MINUS
    ) {
      return false;
    }
  }
  const raw = text.slice(start, end);
  const value = Number(raw);
  // Not a number at all: malformed, the parser will say so.
  return !Number.isNaN(value) && (String(value) !== raw || Object.is(value, -0));
}

/** The member names of one object, kept as hashes so that no string is made for each. */
class NameList {
  private readonly hashes: number[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private count = 0;
  private many: Set<string> | undefined;

  clear(): void {
    this.count = 0;
    this.many = undefined;
  }

  /** False when the name is there already, or is `__proto__`. */
  add(text: string, start: number, end: number, escaped: boolean): boolean {
    if (escaped || this.many || this.count === FEW_NAMES) return this.addSlowly(text, start, end);
    let hash = end - start;
    for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
    if (hash === PROTO_HASH && text.slice(start, end) === '__proto__') return false;
    for (let k = 0; k < this.count; k++) {
      if (this.hashes[k] === hash && text.slice(this.starts[k], this.ends[k]) === text.slice(start, end))
        return false;
    }
    this.hashes[this.count] = hash;
    this.starts[this.count] = start;
    this.ends[this.count] = end;
    this.count++;
    return true;
  }

  private addSlowly(text: string, start: number, end: number): boolean {
    if (!this.many) {
      this.many = new Set();
      for (let k = 0; k < this.count; k++) this.many.add(text.slice(this.starts[k], this.ends[k]));
    }
    if (this.many.size >= MAX_JSON_MEMBERS) throw fault(text, start, 'An object has too many members');
    const name = nameOf(text.slice(start, end));
    if (name === '__proto__' || this.many.has(name)) return false;
    this.many.add(name);
    return true;
  }
}

/** Above this many members, names are looked up in a set instead of one after the other. */
const FEW_NAMES = 24;

const PROTO_HASH = [...'__proto__'].reduce((h, c) => (Math.imul(h, 31) + c.charCodeAt(0)) | 0, 9);

function nameOf(inside: string): string {
  if (!inside.includes('\\')) return inside;
  try {
    return JSON.parse(`"${inside}"`) as string;
  } catch {
    return inside;
  }
}

function loneSurrogate(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0xd800 || c > 0xdfff) continue;
    const next = text.charCodeAt(i + 1);
    if (c <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) i++;
    else return i;
  }
  return 0;
}

function fault(text: string, offset: number, message: string): Fault {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  const column = offset - before.lastIndexOf('\n');
  return new Fault('invalid', `${message} (line ${line}, column ${column}).`, {
    issueCode: 'structure',
    remedy: 'Mend the JSON at that place and send it again.',
  });
}
