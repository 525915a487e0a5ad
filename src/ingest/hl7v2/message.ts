import { Fault, invalid } from '../../core/fault.js';
import { decodeText } from '../charset.js';

/** Largest file of messages, in bytes. */
export const MAX_MESSAGES_BYTES = 128 * 1024 * 1024;
/** Segments of one message. */
const MAX_SEGMENTS = 50_000;
/** Fields, repetitions or components that are looked at. */
const MAX_PARTS = 10_000;

interface Separators {
  readonly field: string;
  readonly component: string;
  readonly repetition: string;
  readonly escape: string;
  readonly subcomponent: string;
}

/** One repetition of a field. Components and subcomponents count from 1, as in the standard. */
export class Repetition {
  constructor(
    private readonly raw: string,
    private readonly separators: Separators,
    private readonly inner = separators.component,
    private readonly innermost = separators.subcomponent,
  ) {}

  /** The unescaped words; undefined where there are none, or where they say "delete" (`""`). */
  get(component = 1, subcomponent = 1): string | undefined {
    const part = this.#part(component)?.split(this.innermost, MAX_PARTS)[subcomponent - 1];
    if (part === undefined) return undefined;
    const text = unescaped(part, this.separators).trim();
    return text === '' || text === '""' ? undefined : text;
  }

  #part(component: number): string | undefined {
    return this.raw.split(this.inner, MAX_PARTS)[component - 1];
  }

  /** All of it as text, for fields that are text and hold what look like separators. */
  text(): string | undefined {
    const text = unescaped(this.raw, this.separators);
    return text.trim() === '' || text === '""' ? undefined : text;
  }

  /** A component whose subcomponents are read as components. */
  component(component: number): Repetition {
    return new Repetition(this.#part(component) ?? '', this.separators, this.innermost, '\0');
  }

  get empty(): boolean {
    return this.text() === undefined;
  }
}

/** One line of a message: `PID|1|…`. Fields count from 1. */
export class Segment {
  readonly #fields: readonly string[];

  constructor(
    readonly name: string,
    raw: string,
    private readonly separators: Separators,
  ) {
    const fields = raw.split(separators.field, MAX_PARTS);
    // MSH-1 is the separator itself, so its fields stand one further on.
    this.#fields = /^(MSH|FHS|BHS)$/.test(name) ? [name, separators.field, ...fields.slice(1)] : fields;
  }

  repetitions(field: number): Repetition[] {
    const raw = this.#fields[field];
    if (raw === undefined || raw === '') return [];
    return raw
      .split(this.separators.repetition, MAX_PARTS)
      .map((part) => new Repetition(part, this.separators))
      .filter((repetition) => !repetition.empty);
  }

  /** The first repetition; an empty one where the field is absent. */
  at(field: number): Repetition {
    return this.repetitions(field)[0] ?? new Repetition('', this.separators);
  }

  get(field: number, component = 1, subcomponent = 1): string | undefined {
    return this.at(field).get(component, subcomponent);
  }

  /** The whole field as text; of several repetitions one line each. */
  text(field: number): string | undefined {
    const lines = this.repetitions(field).map((r) => r.text() ?? '');
    return lines.length === 0 ? undefined : lines.join('\n');
  }
}

/** One HL7 v2 message. `line` is where its MSH stands in the file, from 1. */
export interface Message {
  readonly line: number;
  readonly segments: readonly Segment[];
  readonly header: Segment;
}

/** Escape sequences (HL7 v2.9, 2.7): separators, line ends, bytes; highlighting and what is unknown is dropped. */
function unescaped(raw: string, separators: Separators): string {
  const { escape: mark } = separators;
  if (!raw.includes(mark)) return raw;
  let out = '';
  let at = 0;
  for (;;) {
    const open = raw.indexOf(mark, at);
    const close = open < 0 ? -1 : raw.indexOf(mark, open + 1);
    if (close < 0) return out + raw.slice(at);
    const code = raw.slice(open + 1, close);
    const known = UNESCAPED[code];
    // A lone backslash is a path or a mistake of the sender, not the start of a sequence.
    if (known === undefined && !/^(\.\w\w[+-]?\d*|[CMZ][0-9A-Fa-f]*|X([0-9A-Fa-f]{2})+|[HN])$/.test(code)) {
      out += raw.slice(at, open + 1);
      at = open + 1;
      continue;
    }
    out += raw.slice(at, open);
    if (known !== undefined) out += separators[known];
    else if (code.startsWith('X')) out += printable(decodeText(Buffer.from(code.slice(1), 'hex')));
    else if (/^\.(br|sp|ce)/.test(code))
      out += '\n'.repeat(Math.min(Number(/\d+$/.exec(code)?.[0] ?? 1) || 1, 8));
    else if (/^\.(in|ti|sk)/.test(code)) out += ' ';
    at = close + 1;
  }
}

const UNESCAPED: Readonly<Record<string, keyof Separators>> = {
  F: 'field',
  S: 'component',
  T: 'subcomponent',
  R: 'repetition',
  E: 'escape',
};

/** Text without control characters, which FHIR refuses, but for line ends and the marks that frame messages. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (c) => ('\t\n\r\v\x1c'.includes(c) ? c : ' '));
}

/** Decodes a file of messages by the character set MSH-18 names. */
export function decodeMessages(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 4096)).toString('latin1');
  const header = /MSH([^\w\s])[^\r\n]*/.exec(head);
  const charset = header?.[0].split(header[1]!)[17]?.split(/[~^]/)[0];
  return printable(decodeText(bytes, charset?.trim() || undefined).replace(/^\ufeff/, ''));
}

/**
 * The messages of a file, one after the other: bare, framed for the wire (MLLP), or in a batch (FHS, BHS).
 * Segments end with CR, LF or both; a line that is no segment goes on the one before it. A message that cannot be read
 * is answered with its fault, and the next one is read.
 */
export function* readMessages(text: string): Generator<Message | { line: number; fault: Fault }> {
  let line = 0;
  let start = 0;
  let lines: string[] = [];
  for (const raw of linesOf(text)) {
    line++;
    // A vertical tab opens and a file separator closes a message on the wire.
    const words = raw.replaceAll('\v', '').replaceAll('\x1c', '');
    if (words.trim() === '') continue;
    if (/^(MSH|FHS|BHS|FTS|BTS)[^\w\s]/.test(words) || words === 'FTS' || words === 'BTS') {
      if (lines.length > 0) yield message(lines, start);
      lines = [];
      if (words.startsWith('MSH')) {
        lines.push(words);
        start = line;
      }
    } else if (lines.length > 0) lines.push(words);
    else
      yield {
        line,
        fault: invalid('the line belongs to no HL7 message', undefined, 'Messages begin with MSH.'),
      };
  }
  if (lines.length > 0) yield message(lines, start);
}

function* linesOf(text: string): Generator<string> {
  const end = /\r\n|\r|\n/g;
  let at = 0;
  for (let match = end.exec(text); match; match = end.exec(text)) {
    yield text.slice(at, match.index);
    at = end.lastIndex;
  }
  if (at < text.length) yield text.slice(at);
}

function message(lines: readonly string[], line: number): Message | { line: number; fault: Fault } {
  const first = lines[0]!;
  const marks = first.slice(3, 8);
  const [field, component, repetition, mark, subcomponent] = marks;
  if (marks.length < 4 || !field || !component || !repetition || !mark) {
    return { line, fault: invalid('the message does not say its encoding characters', 'MSH-2') };
  }
  const separators: Separators = {
    field,
    component,
    repetition,
    escape: mark === field ? '\\' : mark,
    subcomponent: !subcomponent || subcomponent === field ? '&' : subcomponent,
  };
  const joined: string[] = [];
  for (const words of lines) {
    if (/^[A-Z][A-Z0-9]{2}$/.test(words.slice(0, 3)) && (words.length === 3 || words[3] === field))
      joined.push(words);
    // Senders break text at a plain line end where the standard asks for an escape.
    else joined[joined.length - 1] += `${separators.escape}.br${separators.escape}${words}`;
  }
  if (joined.length > MAX_SEGMENTS) {
    return { line, fault: new Fault('too-large', `the message has more than ${MAX_SEGMENTS} segments`) };
  }
  const segments = joined.map((words) => new Segment(words.slice(0, 3), words, separators));
  return { line, segments, header: segments[0]! };
}
