import { Parser } from 'htmlparser2';
import { Fault } from '../core/fault.js';
import { decodeText } from './charset.js';
import { MAX_TEXT_LENGTH, mappedResult, parseContentType, type TextExtractor } from './extractor.js';
import { TextFlow } from './mapped-text.js';

/** Elements whose content is no text of the document. */
const DROPPED = new Set([
  'script',
  'style',
  'template',
  'noscript',
  'head',
  'object',
  'iframe',
  'svg',
  'math',
  'select',
  'textarea',
]);
/** Elements that stand on lines of their own; those mapped to true with an empty line around them. */
const BLOCKS: ReadonlyMap<string, boolean> = new Map([
  ...['p', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'table', 'ul', 'ol', 'dl', 'pre', 'blockquote', 'section'].map(
    (name) => [name, true] as const,
  ),
  ...[
    'div',
    'li',
    'tr',
    'dt',
    'dd',
    'article',
    'header',
    'footer',
    'main',
    'aside',
    'nav',
    'caption',
    'hr',
  ].map((name) => [name, false] as const),
]);
/** Elements open at once. Browsers stop at 512; deeper markup is an attack on whoever recurses. */
const MAX_DEPTH = 2_000;

/** HTML: words in reading order, blocks on lines of their own, table cells set apart by tabs. */
export const htmlExtractor: TextExtractor = {
  name: 'html',
  reads: (type) => type === 'text/html' || type === 'application/xhtml+xml',
  async extract(bytes, contentType) {
    const declared = parseContentType(contentType).charset ?? charsetOf(bytes);
    return mappedResult(htmlText(decodeText(bytes, declared)).mapped);
  },
};

/** `<meta charset>` or its older form, within the first kilobyte, as browsers look for it. */
function charsetOf(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 1024)).toString('latin1');
  return /<meta\s[^>]{0,200}?charset\s*=\s*["']?([\w:.-]{1,40})/i.exec(head)?.[1];
}

function htmlText(html: string): TextFlow {
  const flow = new TextFlow();
  let dropped = 0;
  let preserved = 0;
  let depth = 0;
  const parser = new Parser(
    {
      onopentag(name) {
        if (++depth > MAX_DEPTH) {
          throw new Fault('too-large', `The HTML is nested deeper than ${MAX_DEPTH} elements.`);
        }
        if (DROPPED.has(name)) dropped++;
        if (dropped > 0) return;
        if (name === 'br') flow.hardLine();
        else if (name === 'td' || name === 'th') flow.cell();
        else {
          const blank = BLOCKS.get(name);
          if (blank !== undefined) flow.line(blank);
          if (name === 'pre') preserved++;
          if (name === 'li') flow.words('- ', parser.startIndex, 0);
        }
      },
      ontext(text) {
        if (dropped > 0) return;
        if (flow.mapped.length > MAX_TEXT_LENGTH) return;
        const span = parser.endIndex - parser.startIndex + 1;
        if (preserved === 0) flow.words(text, parser.startIndex, span);
        else flow.words(text.replaceAll('\0', ' '), parser.startIndex, span, true);
      },
      onclosetag(name) {
        depth--;
        if (DROPPED.has(name)) dropped--;
        if (dropped > 0) return;
        if (name === 'pre') preserved--;
        const blank = BLOCKS.get(name);
        if (blank !== undefined) flow.line(blank);
      },
    },
    { decodeEntities: true, lowerCaseTags: true },
  );
  parser.end(html.replaceAll('\0', ' '));
  return flow;
}
