/** What a file holds, told by its name and its first bytes. */
export type InputFormat =
  | 'fhir-json' // one resource or Bundle
  | 'fhir-ndjson' // one resource a line
  | 'note-text'
  | 'note-csv'
  | 'note-jsonl' // one note a line: an object without resourceType
  | 'note-html'
  | 'note-rtf'
  | 'note-docx'
  | 'note-pdf'
  | 'hl7v2' // messages, one or a batch of them
  | 'ccda' // a ClinicalDocument
  | 'sidecar' // JSON that describes the note file beside it
  | 'unknown';

/** MIME type of the formats that are documents of their own. */
export const CONTENT_TYPES: Readonly<Partial<Record<InputFormat, string>>> = {
  'note-text': 'text/plain',
  'note-html': 'text/html',
  'note-rtf': 'application/rtf',
  'note-docx': 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'note-pdf': 'application/pdf',
};

/** Names of notes; a JSON file beside one describes it. */
export const NOTE_EXTENSIONS = [
  'txt',
  'text',
  'md',
  'markdown',
  'html',
  'htm',
  'xhtml',
  'rtf',
  'docx',
  'pdf',
];

const SIDECAR = new RegExp(`\\.(${NOTE_EXTENSIONS.join('|')})\\.json$`);

/** gzip's magic number (RFC 1952, 2.3.1). */
export function isGzip(head: Uint8Array): boolean {
  return head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b;
}

/** The name without a `.gz`, lower case. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/\.gz$/, '');
}

/** Formats whose first characters say what they are, whatever the file is called. */
const SIGNATURES: readonly (readonly [RegExp, InputFormat])[] = [
  [/^%PDF-\d/, 'note-pdf'],
  [/^\{\\rtf\d?/, 'note-rtf'],
  // FHS and BHS open a file and a batch; a vertical tab opens a message that was framed for the wire (MLLP).
  [/^(MSH|FHS|BHS)[^\w\s]/, 'hl7v2'],
];
/** Name of the first element of markup, without its prefix, in lower case; a document type stands as `!doctype`. */
function rootElement(start: string): string | undefined {
  let at = 0;
  for (;;) {
    while (/\s/.test(start[at] ?? '')) at++;
    if (start[at] !== '<') return undefined;
    // Comments and processing instructions are stepped over one by one: a pattern for them all could run for ever.
    const end = start.startsWith('<!--', at) ? '-->' : start.startsWith('<?', at) ? '?>' : undefined;
    if (end === undefined) break;
    const close = start.indexOf(end, at);
    if (close < 0) return undefined;
    at = close + end.length;
  }
  const name = /^<(!doctype\s+\w+|(?:[\w-]+:)?[\w-]+)/i.exec(start.slice(at, at + 200))?.[1]?.toLowerCase();
  return name?.replace(/^[\w-]+:/, '').replace(/\s+/, ' ');
}

/**
 * Decides by content where it is plain from the first characters, else by extension, and by content again where the
 * extension is shared: `.json` may be FHIR or one object a line; `.jsonl` may be resources or notes. `head` is
 * decompressed text, a few kilobytes of it.
 */
export function detectFormat(name: string, head: string): InputFormat {
  const plain = plainName(name);
  const start = head.replaceAll('\v', ' ').trimStart();
  for (const [signature, format] of SIGNATURES) if (signature.test(start)) return format;
  const root = rootElement(start);
  if (root === 'clinicaldocument') return 'ccda';
  if (start.startsWith('PK\u0003\u0004')) return plain.endsWith('.docx') ? 'note-docx' : 'unknown';
  if (/\.(txt|text|md|markdown)$/.test(plain)) return 'note-text';
  if (/\.(html?|xhtml)$/.test(plain) || root === 'html' || root === '!doctype html') return 'note-html';
  if (/\.(csv|tsv)$/.test(plain)) return 'note-csv';
  if (/\.(rtf|docx|pdf)$/.test(plain)) return 'unknown';
  if (SIDECAR.test(plain)) return 'sidecar';
  if (!start.startsWith('{')) {
    return plain.endsWith('.json') || plain.endsWith('.ndjson') || plain.endsWith('.jsonl')
      ? 'fhir-ndjson'
      : 'unknown';
  }
  const line = firstLine(start);
  const whole = isObject(line);
  if (/\.(ndjson|jsonl)$/.test(plain))
    return whole && !line.includes('"resourceType"') ? 'note-jsonl' : 'fhir-ndjson';
  // A second object on the next line makes it one resource a line, whatever the file is called.
  if (whole && /^\s*\{/.test(start.slice(line.length)) && start.length > line.length) {
    return line.includes('"resourceType"') ? 'fhir-ndjson' : 'note-jsonl';
  }
  return head.includes('"resourceType"') || plain.endsWith('.json') ? 'fhir-json' : 'unknown';
}

function firstLine(text: string): string {
  const end = text.indexOf('\n');
  return end < 0 ? text : text.slice(0, end);
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null;
  } catch {
    return false;
  }
}
