import { TextDecoder } from 'node:util';
import { Fault } from '../core/fault.js';

/** Text of a document and where it came from. Offsets are UTF-16 code units. */
export interface ExtractedText {
  readonly text: string;
  /** Offset in the original (in characters of its own decoding) of an offset in `text`. */
  toOriginal(offset: number): number;
}

/** Reads the text out of one kind of document. */
export interface TextExtractor {
  readonly name: string;
  /** Whether it reads this MIME type, given without parameters and in lower case. */
  reads(contentType: string): boolean;
  /** @throws Fault `invalid` when the bytes are not what the type says. */
  extract(bytes: Uint8Array, contentType: string): ExtractedText;
}

/** Longest text of one note, in UTF-16 code units. */
export const MAX_TEXT_LENGTH = 4 * 1024 * 1024;

/** Splits `text/plain; charset=utf-8` into type and charset. */
export function parseContentType(contentType: string): { type: string; charset: string | undefined } {
  const [type = '', ...parameters] = contentType.split(';');
  const charset = parameters
    .map((p) => p.trim().toLowerCase())
    .find((p) => p.startsWith('charset='))
    ?.slice('charset='.length)
    .replace(/^"|"$/g, '');
  return { type: type.trim().toLowerCase(), charset };
}

/**
 * Decodes bytes: the declared charset where it is known, else UTF-8 where the bytes are valid UTF-8, else
 * Windows-1252 (what older systems mean by "text"). A byte order mark is honoured and dropped.
 */
export function decodeText(bytes: Uint8Array, charset?: string): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  if (charset && charset !== 'utf-8' && charset !== 'utf8') {
    let decoder: TextDecoder | undefined;
    try {
      decoder = new TextDecoder(charset);
    } catch {
      decoder = undefined;
    }
    if (decoder) return decoder.decode(bytes);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** Plain text and Markdown: the text is the document. */
export const plainExtractor: TextExtractor = {
  name: 'plain',
  reads: (type) =>
    type === '' || type === 'text/plain' || type === 'text/markdown' || type === 'text/x-markdown',
  extract(bytes, contentType) {
    const text = decodeText(bytes, parseContentType(contentType).charset).replaceAll('\0', ' ');
    if (text.length > MAX_TEXT_LENGTH) {
      throw new Fault('too-large', `the note is longer than ${MAX_TEXT_LENGTH} characters`, {
        remedy: 'Split it into the notes it was made of.',
      });
    }
    return { text, toOriginal: (offset) => offset };
  },
};
