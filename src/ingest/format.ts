/** What a file holds, told by its name and its first bytes. */
export type InputFormat =
  | 'fhir-json' // one resource or Bundle
  | 'fhir-ndjson' // one resource a line
  | 'note-text'
  | 'note-csv'
  | 'note-jsonl' // one note a line: an object without resourceType
  | 'sidecar' // JSON that describes the note file beside it
  | 'unknown';

/** gzip's magic number (RFC 1952, 2.3.1). */
export function isGzip(head: Uint8Array): boolean {
  return head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b;
}

/** The name without a `.gz`, lower case. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/\.gz$/, '');
}

/**
 * Decides by extension first and by content where the extension is shared: `.json` may be FHIR or one object a
 * line; `.jsonl` may be resources or notes. `head` is decompressed text, a few kilobytes of it.
 */
export function detectFormat(name: string, head: string): InputFormat {
  const plain = plainName(name);
  const start = head.trimStart();
  if (/\.(txt|text|md|markdown)$/.test(plain)) return 'note-text';
  if (/\.(csv|tsv)$/.test(plain)) return 'note-csv';
  if (/\.(txt|text|md|markdown)\.json$/.test(plain)) return 'sidecar';
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
