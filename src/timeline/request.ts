import { Fault, invalid } from '../core/fault.js';
import { parsePartialDate } from '../fhir/dates.js';
import { isResourceType } from '../fhir/resource-types.js';
import { kindRow, SHOWN_TYPES } from './kinds.js';

export const DEFAULT_EVENTS = 50;
export const MAX_EVENTS = 1_000;
const MAX_TEXT_CHARS = 200;

/** A request for a patient's timeline, as it arrives. */
export interface TimelineRequest {
  readonly patient: string;
  readonly params: readonly (readonly [string, string])[];
  /** Unknown parameters are a fault. */
  readonly strict: boolean;
  /** FHIR base of the tenant without trailing slash. */
  readonly base: string;
  /** Binds page links to who asks. */
  readonly caller?: string;
}

/** The request, understood. */
export interface TimelineQuery {
  readonly types: readonly string[];
  /** Bounds on when an event began, ms, inclusive. */
  readonly from: number | undefined;
  readonly to: number | undefined;
  /** Words an event must contain, folded. */
  readonly words: readonly string[];
  readonly derived: 'include' | 'exclude' | 'only';
  /** The moment whose knowledge is shown, ms; absent for now. */
  readonly asOf: number | undefined;
  readonly count: number;
  readonly descending: boolean;
  /** The parameters that count, for links. */
  readonly used: readonly (readonly [string, string])[];
  readonly warnings: readonly Fault[];
}

const EXCHANGE: ReadonlySet<string> = new Set(['_format', '_pretty', '_cursor']);

/** @throws Fault `invalid` naming the parameter and the remedy. */
export function parseTimeline(request: TimelineRequest): TimelineQuery {
  const query: { -readonly [K in keyof TimelineQuery]: TimelineQuery[K] } = {
    types: SHOWN_TYPES,
    from: undefined,
    to: undefined,
    words: [],
    derived: 'include',
    asOf: undefined,
    count: DEFAULT_EVENTS,
    descending: false,
    used: [],
    warnings: [],
  };
  const used: [string, string][] = [];
  const warnings: Fault[] = [];
  const types: string[] = [];
  for (const [name, value] of request.params) {
    if (EXCHANGE.has(name) || value === '') continue;
    used.push([name, value]);
    switch (name) {
      case '_type':
        types.push(...typesOf(value));
        break;
      case 'start':
        query.from = dateOf(name, value).lo;
        break;
      case 'end':
        query.to = dateOf(name, value).hi;
        break;
      case '_text':
        query.words = [...query.words, ...foldWords(value.slice(0, MAX_TEXT_CHARS))];
        break;
      case 'derived':
        if (value !== 'include' && value !== 'exclude' && value !== 'only')
          throw invalid('Not a value of derived.', name, 'Use include, exclude or only.');
        query.derived = value;
        break;
      case 'asOf':
        query.asOf = dateOf(name, value).hi;
        break;
      case '_count':
        if (!/^\d{1,9}$/.test(value) || Number(value) === 0)
          throw invalid(
            'The number of events is not a whole number above 0.',
            name,
            `Give 1 to ${MAX_EVENTS}.`,
          );
        query.count = Math.min(Number(value), MAX_EVENTS);
        used[used.length - 1] = [name, String(query.count)];
        break;
      case '_sort':
        if (value !== 'date' && value !== '-date')
          throw invalid(
            'A timeline is sorted by date.',
            name,
            'Use date (oldest first) or -date (newest first).',
          );
        query.descending = value === '-date';
        break;
      default: {
        used.pop();
        const unknown = new Fault('invalid', `$timeline has no parameter "${name.slice(0, 64)}".`, {
          at: name.slice(0, 64),
          remedy: 'It has _type, start, end, _text, derived, asOf, _count and _sort.',
          issueCode: 'not-supported',
        });
        if (request.strict) throw unknown;
        warnings.push(unknown);
      }
    }
  }
  return { ...query, types: types.length > 0 ? [...new Set(types)].sort() : SHOWN_TYPES, used, warnings };
}

function typesOf(value: string): string[] {
  const types = value.split(',').filter((t) => t !== '');
  for (const type of types) {
    if (!isResourceType(type))
      throw invalid('No FHIR R4 resource type.', '_type', 'Name types such as Condition,Procedure.');
    if (!kindRow(type)) throw invalid(`${String(type)} is no event of a patient.`, '_type', 'Leave it out.');
  }
  return types;
}

function dateOf(name: string, value: string): { lo: number; hi: number } {
  const date = parsePartialDate(value);
  if (!date)
    throw invalid('Not a date.', name, 'Write it as 2024, 2024-03, 2024-03-01 or 2024-03-01T10:00:00Z.');
  return date;
}

/** The words of a text, without case and accents. */
export function foldWords(text: string): string[] {
  return text
    .normalize('NFD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((w) => w !== '');
}
