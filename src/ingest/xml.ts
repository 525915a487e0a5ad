import { SaxesParser } from 'saxes';
import { Fault, invalid } from '../core/fault.js';
import { decodeText } from './charset.js';

/** Elements open at once. */
const MAX_DEPTH = 500;
/** Elements of one document. */
const MAX_ELEMENTS = 2_000_000;

export interface XmlHandlers {
  /** `name` without its prefix; `at`: offset in the source right behind the tag. */
  open(name: string, attributes: Readonly<Record<string, string>>, at: number): void;
  close(name: string): void;
  /** `at`, `span`: the source the text stands in, entities unresolved. */
  text(text: string, at: number, span: number): void;
}

/** Decodes XML: by its mark, else by the encoding it declares. */
export function decodeXml(bytes: Uint8Array): string {
  const head = Buffer.from(bytes.subarray(0, 200)).toString('latin1');
  const text = decodeText(bytes, /^<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w.:-]{1,40})/.exec(head)?.[1]);
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/**
 * Reads well-formed XML. A document type is refused, so there are no entities but the five of XML and nothing is ever
 * loaded from elsewhere.
 * @throws Fault `invalid` where it is not well-formed, naming the line; `too-large` beyond the bounds.
 */
export function readXml(source: string, handlers: XmlHandlers): void {
  const parser = new SaxesParser({ xmlns: false, position: true, fragment: false });
  let depth = 0;
  let elements = 0;
  let textAt = 0;
  const local = (name: string) => name.slice(name.indexOf(':') + 1);
  parser.on('doctype', () => {
    throw invalid('The XML has a document type declaration.', undefined, 'Remove it: none is read.');
  });
  parser.on('error', (error) => {
    throw new Fault('invalid', `The XML is not well-formed at line ${parser.line}.`, { cause: error });
  });
  parser.on('opentag', ({ name, attributes }) => {
    if (++depth > MAX_DEPTH)
      throw new Fault('too-large', `The XML is nested deeper than ${MAX_DEPTH} elements.`);
    if (++elements > MAX_ELEMENTS)
      throw new Fault('too-large', `The XML has more than ${MAX_ELEMENTS} elements.`);
    textAt = parser.position;
    handlers.open(local(name), attributes as Record<string, string>, textAt);
  });
  parser.on('text', (text) => {
    handlers.text(text, textAt, text.length);
  });
  parser.on('cdata', (text) => handlers.text(text, parser.position - text.length - 3, text.length));
  parser.on('closetag', ({ name, isSelfClosing }) => {
    depth--;
    if (!isSelfClosing) textAt = parser.position;
    handlers.close(local(name));
  });
  parser.write(source).close();
}
