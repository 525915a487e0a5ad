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

/** UTF-8 text of base64. */
export function decodeBase64(data: string): string {
  return new TextDecoder().decode(Uint8Array.from(atob(data), (c) => c.charCodeAt(0)));
}
