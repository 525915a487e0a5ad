import { gzipSync } from 'node:zlib';
import type { MentionType } from '../model.js';
import { unzip } from '../rules/load.js';
import { sharedArray } from './shared-array.js';

/**
 * The lexicon's file: vocabulary, concepts and entries, front-coded and gzipped. A binary form because a site's
 * full terminology has hundreds of thousands of entries and every worker thread reads them at its start.
 */

/** Bits of an entry's flags. */
export const FLAG = {
  /** The same words have several meanings that the lexicon cannot tell apart. */
  ambiguous: 1,
  /** Ordinary word as well: counts only where the context says so (section, dose, capitals). */
  needsContext: 2,
  abbreviation: 4,
  brand: 8,
  ingredient: 16,
  drugClass: 32,
  /** A whole product: ingredients, strengths and form. */
  product: 64,
  /** Written in capitals only (`PE`, `MS`); lower-case is another word. */
  cased: 128,
  /** A product of several ingredients or with a brand or lead-in, so the whole phrase is one mention. */
  whole: 256,
} as const;

/** Position is the stored number: append only. */
export const ENTRY_TYPES: readonly MentionType[] = [
  'medication',
  'procedure',
  'diagnosis',
  'symptom',
  'test',
  'vital-sign',
  'vaccine',
  'allergen',
  'device',
  'social',
  'phi',
];

/** Position is the stored number: append only. */
export const SYSTEMS = [
  'http://www.nlm.nih.gov/research/umls/rxnorm',
  'http://snomed.info/sct',
  'http://hl7.org/fhir/sid/icd-10-cm',
  'http://loinc.org',
  'http://hl7.org/fhir/sid/cvx',
  'http://www.cms.gov/Medicare/Coding/ICD10',
] as const;

export interface LexiconConcept {
  /** Index into `SYSTEMS`. */
  readonly system: number;
  readonly code: string;
  /** RxNorm term type, SNOMED CT semantic tag, ICD-10-CM `header` or `billable`; empty where none. */
  readonly kind: string;
  readonly display: string;
  /** Concepts this one is made of: a product's, brand's or salt's ingredients, an alternative's base. */
  readonly parts: readonly number[];
}

export interface LexiconEntry {
  /** Comparable words, see `lexiconWords`. */
  readonly words: readonly string[];
  readonly type: MentionType;
  readonly flags: number;
  /** Indices into `concepts`, best first. */
  readonly concepts: readonly number[];
}

export interface LexiconContent {
  readonly concepts: readonly LexiconConcept[];
  readonly entries: readonly LexiconEntry[];
  /** Ordinary words that no misspelling correction may touch. */
  readonly ordinaryWords: readonly string[];
}

/** The entries of a lexicon in flat arrays. */
interface LexiconArrays {
  /** Entry e has the word numbers `tokens[tokenStart[e] .. tokenStart[e+1])`; entries are in their order. */
  readonly tokens: Int32Array;
  readonly tokenStart: Int32Array;
  readonly types: Uint8Array;
  readonly flags: Uint16Array;
  readonly conceptIds: Int32Array;
  readonly conceptStart: Int32Array;
  /** Word w stands in the entries `postings[postingStart[w] .. postingStart[w+1])`, in their order. */
  readonly postings: Int32Array;
  readonly postingStart: Int32Array;
}

/** A lexicon as plain data on shared memory: threads that are sent it share it. */
export interface LexiconData extends LexiconArrays {
  /** Vocabulary and ordinary words, a line each. */
  readonly vocabulary: string;
  readonly ordinary: string;
  /** The concepts as UTF-8, a line each, where each begins, and where another would. */
  readonly concepts: Uint8Array;
  readonly conceptAt: Int32Array;
}

/** What a reader needs. */
export interface LexiconTables extends LexiconArrays {
  readonly words: readonly string[];
  readonly ordinaryWords: readonly string[];
  readonly conceptCount: number;
  /** One concept; made when asked for, since most of them never are, and kept. */
  concept(id: number): LexiconConcept;
  /** The same for who looks at many: what was not asked for before is not kept. */
  glance(id: number): LexiconConcept;
}

const MAGIC = 'cenote-lexicon 1';

/** Serialises a lexicon. The same content gives the same bytes. */
export function encodeLexicon(content: LexiconContent): Buffer {
  const counts = new Map<string, number>();
  for (const entry of content.entries) {
    for (const word of entry.words) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const words = [...counts.keys()].sort((a, b) => counts.get(b)! - counts.get(a)! || (a < b ? -1 : 1));
  const number = new Map(words.map((word, index) => [word, index]));
  const rows = content.entries.map((entry) => ({ entry, ids: entry.words.map((word) => number.get(word)!) }));
  rows.sort(
    (a, b) =>
      compareIds(a.ids, b.ids) || ENTRY_TYPES.indexOf(a.entry.type) - ENTRY_TYPES.indexOf(b.entry.type),
  );
  const bytes = new ByteWriter();
  let tokenCount = 0;
  let conceptCount = 0;
  let last: readonly number[] = [];
  for (const { entry, ids } of rows) {
    let shared = 0;
    while (shared < ids.length && shared < last.length && ids[shared] === last[shared]) shared++;
    bytes.push(shared);
    bytes.push(ids.length - shared);
    for (let i = shared; i < ids.length; i++) bytes.push(ids[i]!);
    bytes.push(ENTRY_TYPES.indexOf(entry.type));
    bytes.push(entry.flags);
    bytes.push(entry.concepts.length);
    for (const id of entry.concepts) bytes.push(id);
    tokenCount += ids.length;
    conceptCount += entry.concepts.length;
    last = ids;
  }
  const concepts = content.concepts.map((concept) =>
    [concept.system, concept.code, concept.kind, concept.display, concept.parts.join(' ')].join('\t'),
  );
  const text = [words.join('\n'), [...content.ordinaryWords].sort().join('\n'), concepts.join('\n')].map(
    (part) => Buffer.from(part),
  );
  const head = { entries: rows.length, tokenCount, conceptCount, lengths: text.map((part) => part.length) };
  return gzipSync(
    Buffer.concat([Buffer.from(`${MAGIC}\n${JSON.stringify(head)}\n`), ...text, bytes.done()]),
    { level: 9 },
  );
}

/**
 * Reads what `encodeLexicon` wrote.
 * @throws Error where the bytes are not a lexicon of this version.
 */
export function decodeLexicon(file: Buffer): LexiconTables {
  return lexiconTables(readLexicon(file));
}

/** The tables of a lexicon that was read, here or by another thread. */
export function lexiconTables(data: LexiconData): LexiconTables {
  const { concepts, conceptAt, tokens, tokenStart, types, flags, conceptIds, conceptStart } = data;
  const { postings, postingStart } = data;
  const bytes = Buffer.from(concepts.buffer, concepts.byteOffset, concepts.byteLength);
  const made = new Map<number, LexiconConcept>();
  const glance = (id: number): LexiconConcept => {
    const known = made.get(id);
    if (known !== undefined) return known;
    const line = bytes.toString('utf8', conceptAt[id]!, conceptAt[id + 1]! - 1);
    const [system, code, kind, display, parts] = line.split('\t');
    return {
      system: Number(system),
      code: code!,
      kind: kind!,
      display: display!,
      parts: parts ? parts.split(' ').map(Number) : [],
    };
  };
  const concept = (id: number): LexiconConcept => {
    let known = made.get(id);
    if (known === undefined) {
      known = glance(id);
      made.set(id, known);
    }
    return known;
  };
  return {
    words: linesOf(data.vocabulary),
    ordinaryWords: linesOf(data.ordinary),
    conceptCount: conceptAt.length - 1,
    concept,
    glance,
    tokens,
    tokenStart,
    types,
    flags,
    conceptIds,
    conceptStart,
    postings,
    postingStart,
  };
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.split('\n');
}

/** Reads what `encodeLexicon` wrote as data. @throws Error where the bytes are not a lexicon of this version. */
export function readLexicon(file: Buffer): LexiconData {
  const bytes = unzip(file);
  const { head, start } = headOf(bytes);
  const [words = 0, ordinary = 0, length = 0] = head.lengths;
  const from = start + words + ordinary;
  const concepts = sharedArray(Uint8Array, length);
  concepts.set(bytes.subarray(from, from + length));
  const entries = readEntries(bytes, from + length, head);
  return {
    vocabulary: bytes.toString('utf8', start, start + words),
    ordinary: bytes.toString('utf8', start + words, from),
    concepts,
    conceptAt: lineStarts(concepts),
    ...entries,
    ...postingsOf(entries),
  };
}

/** Where each line begins; the last one ends before the place of another. */
function lineStarts(bytes: Uint8Array): Int32Array {
  if (bytes.length === 0) return new Int32Array(1);
  let count = 1;
  for (const byte of bytes) if (byte === 10) count++;
  const starts = sharedArray(Int32Array, count + 1);
  let line = 1;
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === 10) starts[line++] = at + 1;
  starts[line] = bytes.length + 1;
  return starts;
}

/** Entries by word, from words by entry. */
function postingsOf({ tokens, tokenStart }: Entries): Pick<LexiconData, 'postings' | 'postingStart'> {
  let words = 0;
  for (const word of tokens) words = Math.max(words, word + 1);
  const postingStart = sharedArray(Int32Array, words + 1);
  for (const word of tokens) postingStart[word + 1] = postingStart[word + 1]! + 1;
  for (let word = 0; word < words; word++)
    postingStart[word + 1] = postingStart[word + 1]! + postingStart[word]!;
  const next = postingStart.slice();
  const postings = sharedArray(Int32Array, tokens.length);
  for (let entry = 0; entry + 1 < tokenStart.length; entry++) {
    for (let i = tokenStart[entry]!; i < tokenStart[entry + 1]!; i++) {
      const word = tokens[i]!;
      postings[next[word]!] = entry;
      next[word] = next[word]! + 1;
    }
  }
  return { postings, postingStart };
}

type Entries = Pick<LexiconData, 'tokens' | 'tokenStart' | 'types' | 'flags' | 'conceptIds' | 'conceptStart'>;

function readEntries(bytes: Buffer, from: number, head: Head): Entries {
  const tokens = sharedArray(Int32Array, head.tokenCount);
  const tokenStart = sharedArray(Int32Array, head.entries + 1);
  const types = sharedArray(Uint8Array, head.entries);
  const flags = sharedArray(Uint16Array, head.entries);
  const conceptIds = sharedArray(Int32Array, head.conceptCount);
  const conceptStart = sharedArray(Int32Array, head.entries + 1);
  let at = from;
  const read = (): number => {
    let value = 0;
    let shift = 0;
    for (;;) {
      const byte = bytes[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
      shift += 7;
    }
  };
  let token = 0;
  let conceptAt = 0;
  for (let entry = 0; entry < head.entries; entry++) {
    const shared = read();
    const own = read();
    const previous = entry === 0 ? 0 : tokenStart[entry - 1]!;
    for (let i = 0; i < shared; i++) tokens[token++] = tokens[previous + i]!;
    for (let i = 0; i < own; i++) tokens[token++] = read();
    tokenStart[entry + 1] = token;
    types[entry] = read();
    flags[entry] = read();
    const count = read();
    for (let i = 0; i < count; i++) conceptIds[conceptAt++] = read();
    conceptStart[entry + 1] = conceptAt;
  }
  return { tokens, tokenStart, types, flags, conceptIds, conceptStart };
}

interface Head {
  readonly entries: number;
  readonly tokenCount: number;
  readonly conceptCount: number;
  /** Bytes of the words, the ordinary words and the concepts. */
  readonly lengths: readonly number[];
}

function headOf(bytes: Buffer): { head: Head; start: number } {
  const magicEnd = bytes.indexOf(10);
  if (bytes.toString('latin1', 0, Math.max(0, magicEnd)) !== MAGIC)
    throw new Error(`not a lexicon of version "${MAGIC}"`);
  const headEnd = bytes.indexOf(10, magicEnd + 1);
  return { head: JSON.parse(bytes.toString('utf8', magicEnd + 1, headEnd)) as Head, start: headEnd + 1 };
}

/** Names of codes alone, for who reads no notes. */
export interface ConceptNames {
  /** A concept's name; undefined where the lexicon has no such code. `system` is an index into `SYSTEMS`. */
  displayOf(system: number, code: string): string | undefined;
}

/**
 * Reads the names of codes from what `encodeLexicon` wrote: the rest is not kept, and no index is made.
 * @param bytes the file, unzipped.
 * @throws Error where the bytes are not a lexicon of this version.
 */
export function decodeConceptNames(bytes: Buffer): ConceptNames {
  const { head, start } = headOf(bytes);
  const [words = 0, ordinary = 0, length = 0] = head.lengths;
  const from = start + words + ordinary;
  // A copy: the whole file is not to be held for it.
  const rows = Buffer.concat([Buffer.from('\n'), bytes.subarray(from, from + length), Buffer.from('\n')]);
  return {
    displayOf(system, code) {
      if (/[\t\n]/.test(code)) return undefined;
      const at = rows.indexOf(`\n${system}\t${code}\t`);
      if (at < 0) return undefined;
      return rows.toString('utf8', at + 1, rows.indexOf(10, at + 1)).split('\t')[3];
    },
  };
}

function compareIds(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Numbers as little-endian base-128, so that the frequent words take one byte. */
class ByteWriter {
  private bytes = Buffer.alloc(1 << 16);
  private length = 0;

  push(value: number): void {
    if (this.length + 5 > this.bytes.length)
      this.bytes = Buffer.concat([this.bytes, Buffer.alloc(this.bytes.length)]);
    let rest = value;
    while (rest > 127) {
      this.bytes[this.length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  done(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}
