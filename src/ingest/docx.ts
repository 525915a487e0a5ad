import { invalid } from '../core/fault.js';
import { MAX_TEXT_LENGTH, mappedResult, type TextExtractor } from './extractor.js';
import { TextFlow } from './mapped-text.js';
import { decodeXml, readXml } from './xml.js';
import { bufferAccess, readEntry, zipEntries } from './zip.js';

export const DOCX = 'application/vnd.openxmlformats-officedocument.wordprocessingml.document';
/** The part of a Word file that holds the body. */
export const DOCX_BODY = 'word/document.xml';
/** Largest body, unpacked, in bytes. */
const MAX_BODY_BYTES = 128 * 1024 * 1024;

/** Word (.docx): the body in reading order, cells set apart by tabs. Deleted text and field codes are left out. */
export const docxExtractor: TextExtractor = {
  name: 'docx',
  reads: (type) => type === DOCX,
  async extract(bytes) {
    const zip = bufferAccess(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    const entry = (await zipEntries(zip)).find(({ name }) => name === DOCX_BODY);
    if (!entry) throw invalid('The document is no Word file: it has no body.');
    return mappedResult(bodyText(decodeXml(await readEntry(zip, entry, MAX_BODY_BYTES))).mapped);
  },
};

function bodyText(source: string): TextFlow {
  const flow = new TextFlow();
  let inText = 0;
  // Word writes newer drawings twice; the second time is for older readers.
  let fallback = 0;
  let cells = 0;
  readXml(source, {
    open(name, attributes) {
      if (name === 'Fallback') fallback++;
      else if (name === 't') inText++;
      else if (name === 'tab') flow.cell();
      else if (name === 'br' || name === 'cr') flow.hardLine();
      else if (name === 'tr') flow.line();
      else if (name === 'tc') cells++;
      else if (name === 'numPr' || name === 'ilvl') return;
      else if (name === 'noBreakHyphen') flow.words('-', 0, 0);
      else if (name === 'pStyle' && /^(heading|title)/i.test(attributes['w:val'] ?? '')) flow.line(true);
    },
    text(text, at, span) {
      if (inText > 0 && fallback === 0 && flow.mapped.length <= MAX_TEXT_LENGTH) flow.words(text, at, span);
    },
    close(name) {
      if (name === 'Fallback') fallback--;
      else if (name === 't') inText--;
      else if (name === 'p') {
        if (cells === 0) flow.hardLine();
        else flow.words(' ', 0, 0);
      } else if (name === 'tc') {
        cells--;
        flow.cell();
      } else if (name === 'tr') flow.line();
      else if (name === 'tbl') flow.line(true);
    },
  });
  return flow;
}
