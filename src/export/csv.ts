import { Decimal, stringifyJson } from '../core/json.js';
import { Bytes } from './bytes.js';
import type { CsvOptions, Emit, TableColumn, TableEncoder } from './table.js';

const BYTES_AT_ONCE = 256 * 1024;
const FIRST_BYTES = 4 * 1024;
const COMMA = 44;
const CR = 13;
const LF = 10;
const QUOTE = 34;
const NEEDS_QUOTES = /[",\r\n]/;
/**
 * Starts that a spreadsheet takes for a formula, in their wide forms too. A sign before nothing but a number, a telephone
 * number or a range calls nothing, and programs read it.
 */
const FORMULA = /^(?:[=@\t\r\n\uff1d\uff20]|[+\-\uff0b\uff0d](?![\d.,\s()/-]*$))/;

/** Rows as RFC 4180: CRLF, quotes doubled, UTF-8 without a mark. The empty string is `""`, so that null stays apart. */
export function csvEncoder(
  columns: readonly TableColumn[],
  emit: Emit,
  options: CsvOptions = {},
): TableEncoder {
  const { nullAs = '', formulaSafe = true } = options;
  let held = new Bytes(FIRST_BYTES);
  if (!options.noHeader) held.utf8(headerOf(columns));
  const free = columns.map(isFree);
  const flush = async (): Promise<void> => {
    if (held.length === 0) return;
    const chunk = held.view();
    held = new Bytes(Math.max(FIRST_BYTES, chunk.length));
    await emit(chunk);
  };
  return {
    async rows(rows) {
      for (const row of rows) {
        for (let i = 0; i < columns.length; i++) {
          if (i > 0) held.uint8(COMMA);
          const value = row[i];
          if (value === null || value === undefined) {
            if (nullAs !== '') held.utf8(nullAs);
            continue;
          }
          if (value instanceof Uint8Array) {
            writeObject(held, value);
            continue;
          }
          const text = cellText(value, columns[i]!);
          const risky = formulaSafe && free[i]! && FORMULA.test(text);
          const quoted = field(risky ? `'${text}` : text);
          // Text that reads like the sign for null is told apart by its quotes.
          held.utf8(text === nullAs && nullAs !== '' && quoted === text ? `"${text}"` : quoted);
        }
        held.uint8(CR);
        held.uint8(LF);
        if (held.length >= BYTES_AT_ONCE) await flush();
      }
    },
    flush,
    end: flush,
    held: () => held.length,
  };
}

/** A whole resource as the UTF-8 of its JSON: begins with a brace and holds quotes. */
function writeObject(out: Bytes, json: Uint8Array): void {
  const room = out.reserve(json.length * 2 + 2);
  let at = out.length;
  room[at++] = QUOTE;
  for (let i = 0; i < json.length; i++) {
    const byte = json[i]!;
    room[at++] = byte;
    if (byte === QUOTE) room[at++] = QUOTE;
  }
  room[at++] = QUOTE;
  out.length = at;
}

const headerOf = (columns: readonly TableColumn[]) => `${columns.map((c) => field(c.name)).join(',')}\r\n`;

/** The line of column names. */
export const csvHeader = (columns: readonly TableColumn[]): Uint8Array =>
  Buffer.from(headerOf(columns), 'utf8');

/** Text whose beginning the data chooses. */
function isFree(column: TableColumn): boolean {
  return column.collection === true || column.type === 'string' || column.type === 'json';
}

function field(text: string): string {
  if (text === '') return '""';
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A value as text, the way its column says. */
function cellText(value: unknown, column: TableColumn): string {
  if (column.collection) return stringifyJson(value);
  if (typeof value === 'string') return value;
  if (column.type === 'json') return stringifyJson(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Decimal) return value.raw;
  return typeof value === 'object' ? stringifyJson(value) : String(value);
}
