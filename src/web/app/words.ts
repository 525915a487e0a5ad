import type { Concept, Resource } from './api.js';

/** What a reader would call a code. */
export function conceptText(concept: Concept | undefined): string {
  return (
    concept?.text ?? concept?.coding?.find((c) => c.display)?.display ?? concept?.coding?.[0]?.code ?? ''
  );
}

export function personName(resource: Resource): string {
  const name = resource.name?.[0];
  if (!name) return 'No name';
  return name.text ?? [...(name.given ?? []), name.family].filter(Boolean).join(' ');
}

/** Whole years, at `when` or today. */
export function ageOf(birthDate: string | undefined, when = new Date()): string {
  if (!birthDate) return '';
  const born = new Date(birthDate);
  let years = when.getUTCFullYear() - born.getUTCFullYear();
  if (
    when.getUTCMonth() < born.getUTCMonth() ||
    (when.getUTCMonth() === born.getUTCMonth() && when.getUTCDate() < born.getUTCDate())
  )
    years--;
  return `${years} y`;
}

export function quantityText(q: { value?: number; unit?: string; code?: string } | undefined): string {
  return q?.value === undefined ? '' : `${q.value} ${q.unit ?? q.code ?? ''}`.trim();
}

const SYSTEMS: Record<string, string> = {
  'http://snomed.info/sct': 'SNOMED CT',
  'http://www.nlm.nih.gov/research/umls/rxnorm': 'RxNorm',
  'http://hl7.org/fhir/sid/icd-10-cm': 'ICD-10-CM',
  'http://loinc.org': 'LOINC',
  'http://hl7.org/fhir/sid/cvx': 'CVX',
};
export const systemName = (system: string | undefined): string => SYSTEMS[system ?? ''] ?? system ?? '';

const PERIODS: Readonly<Record<string, string>> = {
  s: 'second',
  min: 'minute',
  h: 'hour',
  d: 'day',
  wk: 'week',
  mo: 'month',
  a: 'year',
};

interface Repeat {
  readonly frequency?: number;
  readonly frequencyMax?: number;
  readonly period?: number;
  readonly periodMax?: number;
  readonly periodUnit?: string;
  readonly when?: readonly string[];
}

/** What a normalised value says to a reader; a Timing, as JSON, is put into words. */
export function normalText(normalized: string): string {
  if (!normalized.startsWith('{')) return normalized;
  let repeat: Repeat | undefined;
  try {
    ({ repeat } = JSON.parse(normalized) as { repeat?: Repeat });
  } catch {
    return normalized;
  }
  const { frequency = 1, frequencyMax, period, periodMax, periodUnit = '' } = repeat ?? {};
  const unit = PERIODS[periodUnit];
  if (period === undefined || unit === undefined) return '';
  const times = `${frequency}${frequencyMax ? `–${frequencyMax}` : ''}`;
  const long = periodMax ? `${period}–${periodMax} ${unit}s` : period === 1 ? unit : `${period} ${unit}s`;
  return times === '1' ? `once every ${long}` : `${times} times every ${long}`;
}

/** A search of one type as a reader says it: `Condition with code 44054006 (SNOMED CT)`. */
export function searchText(search: string): string {
  const [type = '', query = ''] = search.split('?');
  if (query === '') return type;
  const parts = query.split('&').map((pair) => {
    const at = pair.indexOf('=');
    const name = pair.slice(0, at).replaceAll('-', ' ');
    return `${name} ${pair
      .slice(at + 1)
      .split(',')
      .map(valueText)
      .join(' or ')}`;
  });
  return `${type} with ${parts.join(' and ')}`;
}

const COMPARATORS: Readonly<Record<string, string>> = { gt: '>', ge: '≥', lt: '<', le: '≤' };

function valueText(value: string): string {
  const [, system = '', code = value] = /^([^|]*)\|(.*)$/.exec(value) ?? [];
  const [plain = '', measured] = code.split('$');
  const text = [measured === undefined ? compared(plain) : `${plain} ${compared(measured)}`];
  if (system) text.push(`(${systemName(system)})`);
  return text.join(' ');
}

const compared = (value: string): string =>
  value.replace(/^(gt|ge|lt|le)(?=[\d-])/, (prefix) => `${COMPARATORS[prefix]} `);

/** UTF-8 text of base64. */
export function decodeBase64(data: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
}
