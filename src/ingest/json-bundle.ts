import type { Readable } from 'node:stream';
import { Fault, invalid } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import { inflated, MAX_LINE_BYTES } from './lines.js';

/** What a Bundle has besides its entries, in bytes. */
const MAX_FRAME_BYTES = 64 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const ENTRY = Buffer.from('"entry":');
/** Stands in the frame where an entry stood. */
const PLACE = 0x30;

/** Bytes that come one by one or in runs. */
class Bytes {
  private buffer = Buffer.allocUnsafe(64 * 1024);
  length = 0;

  constructor(private readonly limit: number) {}

  add(bytes: Uint8Array): void {
    const needed = this.length + bytes.length;
    if (needed > this.limit)
      throw new Fault(
        'too-large',
        `What surrounds the entries, or one entry, is longer than ${this.limit} bytes.`,
        {
          remedy: 'Split it: a large file is a Bundle with entries, or one resource a line.',
        },
      );
    if (needed > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, needed));
      this.buffer.copy(grown, 0, 0, this.length);
      this.buffer = grown;
    }
    this.buffer.set(bytes, this.length);
    this.length = needed;
  }

  endsWith(bytes: Uint8Array): boolean {
    return (
      this.length > bytes.length &&
      this.buffer.subarray(this.length - bytes.length, this.length).equals(bytes)
    );
  }

  text(): string {
    return this.buffer.toString('utf8', 0, this.length);
  }
}

/**
 * The entries of a Bundle as JSON text, one after the other, so that a file of any length is read with the memory of its
 * longest entry. Returns the rest of the Bundle, parsed, once the last entry is out: `entry` is then not in it.
 * @throws Fault `invalid` where the file is no JSON object in UTF-8 or an entry is no object; `too-large` for an entry
 * beyond MAX_LINE_BYTES.
 */
export async function* bundleEntries(stream: Readable): AsyncGenerator<string, Record<string, unknown>> {
  const frame = new Bytes(MAX_FRAME_BYTES);
  let entry: Bytes | undefined;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let inEntries = false;
  let first = true;
  for await (const chunk of inflated(stream)) {
    if (first) {
      if (chunk[0] === 0xff || chunk[0] === 0xfe)
        throw invalid('A file of this size is read in UTF-8 only.', undefined, 'Convert it to UTF-8.');
      first = false;
    }
    // Where the run begins that belongs to the entry or to the frame.
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (c === BACKSLASH) escaped = true;
        else if (c === QUOTE) inString = false;
        continue;
      }
      if (c === QUOTE) inString = true;
      else if (c === OPEN_BRACE || c === OPEN_BRACKET) {
        if (entry === undefined && depth === 1 && c === OPEN_BRACKET) {
          frame.add(chunk.subarray(from, i));
          from = i;
          inEntries = frame.endsWith(ENTRY);
        } else if (inEntries && depth === 2 && c === OPEN_BRACE) {
          frame.add(chunk.subarray(from, i));
          from = i;
          entry = new Bytes(MAX_LINE_BYTES);
        }
        depth++;
      } else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) {
        depth--;
        if (entry && depth === 2) {
          entry.add(chunk.subarray(from, i + 1));
          const text = entry.text();
          entry = undefined;
          frame.add(Uint8Array.of(PLACE));
          from = i + 1;
          yield text;
        } else if (depth === 1) inEntries = false;
      } else if (entry === undefined && c <= 0x20) {
        // The frame is kept without its spaces, so that the name before a list can be told from its end.
        frame.add(chunk.subarray(from, i));
        from = i + 1;
      }
    }
    (entry ?? frame).add(chunk.subarray(from));
  }
  const rest = parseJson(frame.text().replace(/^\uFEFF/, ''));
  if (entry || typeof rest !== 'object' || rest === null || Array.isArray(rest))
    throw invalid('The file is no JSON object.');
  const { entry: places, ...others } = rest as Record<string, unknown>;
  if (Array.isArray(places) && places.some((place) => place !== 0))
    throw invalid('An entry is not an object.', 'Bundle.entry');
  return others;
}
