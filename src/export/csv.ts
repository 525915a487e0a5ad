import { Decimal, stringifyJson } from '../core/json.js';
import type { CsvOptions, Emit, TableColumn, TableEncoder } from './table.js';

const LINES_AT_ONCE = 256 * 1024;
const NEEDS_QUOTES = /[",\r\n]/;
/** Starts that a spreadsheet takes for a formula. */
const FORMULA = /^[=+\-@\t\r]/;

/** Rows as RFC 4180: CRLF, quotes doubled, UTF-8 without a mark. The empty string is `""`, so that null stays apart. */
export function csvEncoder(
  columns: readonly TableColumn[],
  emit: Emit,
  options: CsvOptions = {},
): TableEncoder {
  const { nullAs = '', formulaSafe = false } = options;
  let held: string[] = [];
  let units = 0;
  const add = (line: string): void => {
    held.push(line);
    units += line.length;
  };
  if (!options.noHeader) add(`${columns.map((c) => field(c.name)).join(',')}\r\n`);
  const flush = async (): Promise<void> => {
    const chunk = Buffer.from(held.join(''), 'utf8');
    held = [];
    units = 0;
    await emit(chunk);
  };
  return {
    async rows(rows) {
      for (const row of rows) {
        let line = '';
        for (let i = 0; i < columns.length; i++) {
          if (i > 0) line += ',';
          const value = row[i];
          if (value === null || value === undefined) {
            line += nullAs;
            continue;
          }
          const text = cellText(value, columns[i]!);
          const risky = formulaSafe && isFree(columns[i]!) && FORMULA.test(text);
          const quoted = field(risky ? `'${text}` : text);
          // Text that reads like the sign for null is told apart by its quotes.
          line += text === nullAs && nullAs !== '' && quoted === text ? `"${text}"` : quoted;
        }
        add(`${line}\r\n`);
        if (units >= LINES_AT_ONCE) await flush();
      }
    },
    flush,
    end: flush,
    held: () => units,
  };
}

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
