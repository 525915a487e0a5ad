import type { DocumentEnvelope } from './document.js';
import { attribute, type Fact } from './fact.js';

/** When a fact held, and whether the words or the document say so. */
export interface When {
  readonly source: 'text' | 'document';
  /** FHIR date or dateTime; absent where neither says. */
  readonly date?: string;
  /** Of a range in the text (`2014/2016`). */
  readonly end?: string;
}

/** YYYY, YYYY-MM, YYYY-MM-DD or a full dateTime. */
const FHIR_DATE = /^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})?)?)?)?$/;

/**
 * The date in the words where they give one, else the document's. A time without a zone is no FHIR dateTime: it is
 * cut to its day rather than given a zone nobody stated.
 */
export function whenOf(fact: Fact, document: DocumentEnvelope): When {
  const written = attribute(fact, 'date')?.normalized;
  if (written) {
    const [start, end] = written.split('/');
    const from = fhirDate(start);
    const to = fhirDate(end);
    if (from || to) return { source: 'text', date: from, end: to };
  }
  return { source: 'document', date: fhirDate(document.date) };
}

/** A legal FHIR dateTime of the same meaning, or undefined. */
export function fhirDate(text: string | undefined): string | undefined {
  if (!text || !FHIR_DATE.test(text)) return undefined;
  const t = text.indexOf('T');
  if (t < 0) return text;
  const full = /T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(text);
  return full ? text : text.slice(0, t);
}
