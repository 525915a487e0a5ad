import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/** A gold span: a type in the words of its set, and where it stands. */
export interface GoldSpan {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

export interface GoldDocument {
  readonly id: string;
  readonly text: string;
  readonly spans: readonly GoldSpan[];
}

/**
 * BRAT standoff: `.txt` and `.ann` beside each other. A discontinuous span is taken from its first to its last
 * character, as the plain reading of "where it stands".
 */
export function readBrat(folder: string): GoldDocument[] {
  const documents: GoldDocument[] = [];
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .sort()) {
    const text = readFileSync(join(folder, name), 'utf8');
    const spans: GoldSpan[] = [];
    for (const line of readFileSync(join(folder, name.replace(/\.txt$/, '.ann')), 'utf8').split('\n')) {
      const match = /^T\d+\t(\S+) ([\d; ]+)\t/.exec(line);
      if (!match) continue;
      const numbers = match[2]!.split(/[ ;]/).map(Number);
      spans.push({ type: match[1]!, start: Math.min(...numbers), end: Math.max(...numbers) });
    }
    documents.push({ id: name.replace(/\.txt$/, ''), text: text, spans });
  }
  return documents;
}

/** PubTator: `id|t|title`, `id|a|abstract`, then tab-separated mentions; title and abstract joined by a newline. */
export function readPubTator(file: string): GoldDocument[] {
  const documents: GoldDocument[] = [];
  for (const block of readFileSync(file, 'utf8').split(/\n\s*\n/)) {
    let id = '';
    let title = '';
    let abstract = '';
    const spans: GoldSpan[] = [];
    for (const line of block.split('\n')) {
      const head = /^(\d+)\|([ta])\|(.*)$/.exec(line);
      if (head) {
        id = head[1]!;
        if (head[2] === 't') title = head[3]!;
        else abstract = head[3]!;
        continue;
      }
      const cells = line.split('\t');
      if (cells.length >= 5 && cells[1] !== 'CID') {
        spans.push({ type: cells[4]!, start: Number(cells[1]), end: Number(cells[2]) });
      }
    }
    if (id) documents.push({ id, text: `${title}\n${abstract}`, spans });
  }
  return documents;
}

interface PheeArgument {
  readonly text?: string[][];
  readonly start?: number[][];
  readonly [role: string]: unknown;
}

/** PHEE pharmacovigilance events, one sentence a document; each argument role becomes a span type. */
export function readPhee(file: string): GoldDocument[] {
  const documents: GoldDocument[] = [];
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (!line.trim()) continue;
    const record = JSON.parse(line) as {
      id: string;
      context: string;
      annotations: { events: Record<string, unknown>[] }[];
    };
    const found = new Map<string, GoldSpan>();
    const visit = (role: string, value: unknown): void => {
      if (!value || typeof value !== 'object' || Array.isArray(value)) return;
      const argument = value as PheeArgument;
      for (const [i, texts] of (argument.text ?? []).entries()) {
        for (const [j, text] of texts.entries()) {
          const start = argument.start?.[i]?.[j];
          if (start === undefined) continue;
          found.set(`${role} ${start} ${text.length}`, { type: role, start, end: start + text.length });
        }
      }
      for (const [key, inner] of Object.entries(argument)) visit(`${role}.${key}`, inner);
    };
    for (const annotation of record.annotations) {
      for (const event of annotation.events) {
        for (const [role, value] of Object.entries(event)) visit(role, value);
      }
    }
    documents.push({ id: record.id, text: record.context, spans: [...found.values()] });
  }
  return documents;
}

/** One JSON object a line, gzip. */
export function readJsonLines<T>(file: string): T[] {
  return gunzipSync(readFileSync(file))
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim())
    .map((line) => JSON.parse(line) as T);
}

/** Tab-separated with a header line, gzip where the name says so. */
export function readTable(file: string): Record<string, string>[] {
  const raw = readFileSync(file);
  const lines = (file.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8').split('\n');
  const header = lines[0]!.split('\t');
  return lines.slice(1).flatMap((line) => {
    if (!line) return [];
    const cells = line.split('\t');
    return [Object.fromEntries(header.map((name, i) => [name, cells[i] ?? '']))];
  });
}

/** A CSV with quoted cells that may hold line breaks. */
export function readCsv(file: string): Record<string, string>[] {
  const text = readFileSync(file, 'utf8');
  const rows: string[][] = [[]];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!;
    if (quoted) {
      if (c === '"' && text[i + 1] === '"') {
        cell += '"';
        i++;
      } else if (c === '"') quoted = false;
      else cell += c;
    } else if (c === '"') quoted = true;
    else if (c === ',') {
      rows[rows.length - 1]!.push(cell);
      cell = '';
    } else if (c === '\n') {
      rows[rows.length - 1]!.push(cell.replace(/\r$/, ''));
      cell = '';
      rows.push([]);
    } else cell += c;
  }
  if (cell) rows[rows.length - 1]!.push(cell);
  const header = rows[0]!;
  return rows.slice(1).flatMap((row) => {
    if (row.length < 2) return [];
    return [Object.fromEntries(header.map((name, i) => [name, row[i] ?? '']))];
  });
}
