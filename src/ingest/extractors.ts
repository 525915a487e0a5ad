import { ccdaExtractor } from './ccda/index.js';
import { docxExtractor } from './docx.js';
import { type ExtractedText, parseContentType, plainExtractor, type TextExtractor } from './extractor.js';
import { htmlExtractor } from './html.js';
import { pdfExtractor } from './pdf.js';
import { rtfExtractor } from './rtf.js';

/** Every extractor; the first that reads a type is used. */
export const EXTRACTORS: readonly TextExtractor[] = [
  plainExtractor,
  htmlExtractor,
  rtfExtractor,
  docxExtractor,
  pdfExtractor,
  ccdaExtractor,
];

/**
 * The text of a document by its MIME type; undefined where no extractor reads the type.
 * @throws Fault where the bytes are not what the type says, or are beyond what is read.
 */
export async function extractText(
  bytes: Uint8Array,
  contentType: string,
): Promise<ExtractedText | undefined> {
  const { type } = parseContentType(contentType);
  return EXTRACTORS.find((extractor) => extractor.reads(type))?.extract(bytes, contentType);
}
