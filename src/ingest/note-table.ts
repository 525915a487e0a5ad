import type { Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { Fault, invalid } from '../core/fault.js';
import { decodeText } from './extractor.js';
import { inflated, MAX_LINE_BYTES, readLines } from './lines.js';
import type { Note } from './note.js';

/** Column of a note table for each field, where the names differ from the usual ones. */
export type NoteColumns = Partial<Record<keyof Note, string>>;

/** The names a column goes by, tried in order, without regard to case. */
const ALIASES: Readonly<Record<keyof Note, readonly string[]>> = {
  id: ['id', 'note_id', 'noteid', 'document_id', 'encounter_id'],
  text: ['text', 'note', 'note_text', 'notetext', 'body', 'content'],
  patient: ['patient', 'patient_id', 'patientid', 'subject', 'subject_id', 'mrn'],
  date: ['date', 'note_date', 'datetime', 'charttime', 'chartdate', 'created', 'timestamp'],
  type: ['type', 'note_type', 'category', 'document_type', 'specialty'],
  author: ['author', 'provider', 'clinician', 'signed_by'],
  encounter: ['encounter', 'visit', 'visit_id', 'encounter_id'],
};

/** A row of a note table: the note, or why the row is none. */
export type NoteRow = { line: number; note: Note } | { line: number; fault: Fault };

/** Maps the columns a table has to the fields of a note. @throws Fault `invalid` where no column holds the text. */
export function resolveColumns(names: readonly string[], given: NoteColumns): Map<keyof Note, string> {
  const lower = new Map(names.map((n) => [n.trim().toLowerCase(), n]));
  const out = new Map<keyof Note, string>();
  for (const field of Object.keys(ALIASES) as (keyof Note)[]) {
    const wanted = given[field];
    if (wanted !== undefined) {
      const name = lower.get(wanted.toLowerCase());
      if (!name)
        throw invalid(
          `There is no column named "${wanted}".`,
          undefined,
          `The columns are: ${names.join(', ')}.`,
        );
      out.set(field, name);
      continue;
    }
    const alias = ALIASES[field].find((a) => lower.has(a));
    // encounter_id stands for the note's id only where no other column does, and then it names the encounter too.
    if (alias) out.set(field, lower.get(alias)!);
  }
  if (!out.has('text')) {
    throw invalid(
      'No column holds the text of the notes.',
      undefined,
      `Name it with --column text=NAME; the columns are: ${names.join(', ')}.`,
    );
  }
  return out;
}

function noteOf(
  row: Readonly<Record<string, unknown>>,
  columns: ReadonlyMap<keyof Note, string>,
): Note | undefined {
  const field = (name: keyof Note): string | undefined => {
    const column = columns.get(name);
    const value = column === undefined ? undefined : row[column];
    if (value === undefined || value === null) return undefined;
    const text = typeof value === 'object' ? undefined : String(value);
    return text === undefined || (name !== 'text' && text.trim() === '')
      ? undefined
      : name === 'text'
        ? text
        : text.trim();
  };
  const text = field('text');
  if (text === undefined || text.trim() === '') return undefined;
  return {
    id: field('id'),
    text,
    patient: field('patient'),
    date: field('date'),
    type: field('type'),
    author: field('author'),
    encounter: field('encounter'),
  };
}

/** Notes of a JSON-lines table: one object a line, its keys the columns. */
export async function* readNoteLines(stream: Readable, given: NoteColumns = {}): AsyncGenerator<NoteRow> {
  for await (const { line, bytes } of readLines(stream)) {
    if (!bytes) {
      yield { line, fault: new Fault('too-large', `The line is longer than ${MAX_LINE_BYTES} bytes.`) };
      continue;
    }
    let row: unknown;
    try {
      row = JSON.parse(decodeText(bytes));
    } catch {
      yield { line, fault: invalid('The line is not JSON.') };
      continue;
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      yield { line, fault: invalid('The line is not a JSON object.') };
      continue;
    }
    try {
      const record = row as Record<string, unknown>;
      const note = noteOf(record, resolveColumns(Object.keys(record), given));
      yield note ? { line, note } : { line, fault: invalid('The note has no text.') };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      yield { line, fault: error };
    }
  }
}

/** Notes of a CSV (or, with tabs in its first line, TSV) table with a header line; quoted fields may hold line ends. */
export async function* readNoteCsv(stream: Readable, given: NoteColumns = {}): AsyncGenerator<NoteRow> {
  const bytes = inflated(stream);
  const first = await bytes.next();
  if (first.done) return;
  const headLine = decodeText(first.value).split('\n', 1)[0] ?? '';
  const parser = parse({
    columns: (names: string[]) => names.map((n) => n.trim()),
    bom: true,
    delimiter: headLine.includes('\t') ? '\t' : ',',
    relax_column_count: true,
    skip_empty_lines: true,
    info: true,
    max_record_size: MAX_LINE_BYTES,
  });
  const feeding = (async () => {
    parser.write(first.value);
    for await (const chunk of bytes) {
      if (!parser.write(chunk)) await new Promise((resume) => parser.once('drain', resume));
    }
    parser.end();
  })();
  feeding.catch((error) => parser.destroy(error as Error));
  let columns: Map<keyof Note, string> | undefined;
  let line = 1;
  try {
    for await (const item of parser as AsyncIterable<{
      record: Record<string, string>;
      info: { lines: number };
    }>) {
      line = item.info.lines;
      columns ??= resolveColumns(Object.keys(item.record), given);
      const note = noteOf(item.record, columns);
      yield note ? { line, note } : { line, fault: invalid('The note has no text.') };
    }
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    yield {
      line: line + 1,
      fault: new Fault(
        'invalid',
        'The table cannot be read on from here: a quote is not closed or a record is too long.',
        {
          cause,
        },
      ),
    };
  }
}
