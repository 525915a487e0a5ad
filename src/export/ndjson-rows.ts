import { Decimal, stringifyJson } from '../core/json.js';
import type { Emit, TableColumn, TableEncoder } from './table.js';

const LINES_AT_ONCE = 256 * 1024;
const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Rows as one JSON object a line; absent values are `null`, decimals keep their digits. */
export function ndjsonEncoder(columns: readonly TableColumn[], emit: Emit): TableEncoder {
  let held: string[] = [];
  let units = 0;
  const names = columns.map((c) => `${JSON.stringify(c.name)}:`);
  const flush = async (): Promise<void> => {
    const chunk = Buffer.from(held.join(''), 'utf8');
    held = [];
    units = 0;
    await emit(chunk);
  };
  return {
    async rows(rows) {
      for (const row of rows) {
        let line = '{';
        for (let i = 0; i < columns.length; i++)
          line += `${i > 0 ? ',' : ''}${names[i]}${valueText(row[i], columns[i]!)}`;
        line += '}\n';
        held.push(line);
        units += line.length;
        if (units >= LINES_AT_ONCE) await flush();
      }
    },
    flush,
    end: flush,
    held: () => units,
  };
}

function valueText(value: unknown, column: TableColumn): string {
  if (value === null || value === undefined) return 'null';
  if (column.collection)
    return Array.isArray(value)
      ? `[${value.map((v) => valueText(v, { ...column, collection: false })).join(',')}]`
      : valueText([value], column);
  switch (column.type) {
    case 'json':
      return typeof value === 'string' ? value : stringifyJson(value);
    case 'integer':
    case 'integer64':
    case 'decimal':
    case 'double': {
      const digits = value instanceof Decimal ? value.raw : String(value);
      // A number that JSON cannot write (infinite, none) is text.
      return JSON_NUMBER.test(digits) ? digits : JSON.stringify(digits);
    }
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : stringifyJson(value);
    default:
      return value instanceof Date ? JSON.stringify(value) : JSON.stringify(String(value));
  }
}
