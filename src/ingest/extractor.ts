import { Fault } from '../core/fault.js';
import { decodeText } from './charset.js';
import type { MappedText } from './mapped-text.js';

export { decodeText } from './charset.js';

/** Text of a document and where it came from. Offsets are UTF-16 code units. */
export interface ExtractedText {
  readonly text: string;
  /**
   * Offset in the original of an offset in `text`: in characters of its own decoding; in those of `word/document.xml`
   * for Word; in a PDF, which has no such order, the number of the page, from 1.
   */
  toOriginal(offset: number): number;
}

/** Reads the text out of one kind of document. */
export interface TextExtractor {
  readonly name: string;
  /** Whether it reads this MIME type, given without parameters and in lower case. */
  reads(contentType: string): boolean;
  /** @throws Fault `invalid` when the bytes are not what the type says. */
  extract(bytes: Uint8Array, contentType: string): Promise<ExtractedText>;
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

/** Plain text and Markdown: the text is the document. */
export const plainExtractor: TextExtractor = {
  name: 'plain',
  reads: (type) =>
    type === '' || type === 'text/plain' || type === 'text/markdown' || type === 'text/x-markdown',
  async extract(bytes, contentType) {
    const text = decodeText(bytes, parseContentType(contentType).charset).replaceAll('\0', ' ');
    return { text: bounded(text), toOriginal: (offset) => offset };
  },
};

/** The text, where it is not too long to be a note. @throws Fault `too-large` */
export function bounded(text: string): string {
  if (text.length > MAX_TEXT_LENGTH) {
    throw new Fault('too-large', `The note is longer than ${MAX_TEXT_LENGTH} characters.`, {
      remedy: 'Split it into the notes it was made of.',
    });
  }
  return text;
}

/** What an extractor answers of text that it has put together from pieces. */
export function mappedResult(mapped: MappedText): ExtractedText {
  return { text: bounded(mapped.toString()), toOriginal: (offset) => mapped.toOriginal(offset) };
}
