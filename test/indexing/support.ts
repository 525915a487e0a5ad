import type { Resource } from '../../src/core/resource.js';
import { findSearchParameter } from '../../src/fhir/registry.js';
import type {
  Clause,
  IndexContext,
  IndexRows,
  ParameterQuery,
  SearchValue,
} from '../../src/indexing/index.js';

const numbers = new Map<string, bigint>();

/** A blind that never maps two texts to one number, so that a disagreement is one of meaning. */
export const context: IndexContext = {
  base: 'https://lake.example/fhir/demo',
  now: Date.UTC(2024, 5, 1),
  blind(text) {
    let n = numbers.get(text);
    if (n === undefined) {
      n = BigInt(numbers.size + 1);
      numbers.set(text, n);
    }
    return n;
  },
};

/** Evaluates a clause over the rows of one resource, as the database would. */
export function holds(clause: Clause, rows: IndexRows): boolean {
  switch (clause.kind) {
    case 'everything':
      return true;
    case 'nothing':
      return false;
    case 'and':
      return clause.of.every((c) => holds(c, rows));
    case 'or':
      return clause.of.some((c) => holds(c, rows));
    case 'not':
      return !holds(clause.of, rows);
    case 'all-terms':
      return clause.terms.every((t) => rows.terms.includes(t));
    case 'any-term':
      return clause.terms.some((t) => rows.terms.includes(t));
    case 'date':
      return rows.dates.some((r) => r.param === clause.param && within(r, clause));
    case 'quantity':
      return rows.quantities.some(
        (r) =>
          r.term === clause.term &&
          (clause.unit === undefined || r.unit === clause.unit) &&
          within(r, clause),
      );
    case 'reference':
      return rows.references.some(
        (r) =>
          r.param === clause.param &&
          (clause.targetType === undefined || r.targetType === clause.targetType) &&
          (clause.targetId === undefined || r.targetId === clause.targetId),
      );
  }
}

interface Bounds {
  loMin?: number;
  loMax?: number;
  hiMin?: number;
  hiMax?: number;
}

function within({ lo, hi }: { lo: number; hi: number }, b: Bounds): boolean {
  return (
    (b.loMin === undefined || lo >= b.loMin) &&
    (b.loMax === undefined || lo <= b.loMax) &&
    (b.hiMin === undefined || hi >= b.hiMin) &&
    (b.hiMax === undefined || hi <= b.hiMax)
  );
}

const PREFIXES = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'] as const;
const ORDERED = new Set(['date', 'number', 'quantity']);

/** `status:not=final,amended` as a query of a type. */
export function query(type: string, text: string): ParameterQuery {
  const equals = text.indexOf('=');
  const [code, modifier] = text.slice(0, equals).split(':') as [string, string | undefined];
  const parameter = findSearchParameter(type, code);
  if (!parameter) throw new Error(`${type} has no parameter ${code}`);
  const values = text
    .slice(equals + 1)
    .split(/(?<!\\),/)
    .map((value): SearchValue => {
      const plain = value.replaceAll('\\,', ',');
      const prefix = ORDERED.has(parameter.type) ? PREFIXES.find((p) => plain.startsWith(p)) : undefined;
      return prefix ? { prefix, text: plain.slice(2) } : { prefix: 'eq', text: plain };
    });
  return { parameter, modifier, values };
}

export function resource(type: string, members: Record<string, unknown>): Resource {
  return { resourceType: type, id: 'r', ...members };
}
