import { termText } from '../core/blind.js';
import { uuidV5 } from '../core/ids.js';
import type { CodeableConcept, Resource } from '../core/resource.js';
import { type DocumentEnvelope, extensionUrl, ORIGIN_DERIVED } from './document.js';
import { type Fact, type FactKind, nameOf, normalizedWords } from './fact.js';

/** Namespace of derived ids (our own random UUID; changing it would re-create every fact). */
const DERIVED_NAMESPACE = '6f0d0f5e-5f0b-4c1c-9a5d-0d7c6b1f8f3a';

/** At most this many spans are listed on one fact; a note that repeats a word more often says nothing more. */
const MAX_SPANS = 20;

export interface Extension {
  url: string;
  extension?: Extension[];
  [value: string]: unknown;
}

/**
 * Id of a fact: UUIDv5 of tenant, document, kind, best code or normalised words, and ordinal among equals. Span,
 * document version and pipeline version are content and no part of it, so that a re-reading finds the same fact.
 */
export function derivedId(
  document: DocumentEnvelope,
  kind: FactKind | 'provenance',
  key: string,
  ordinal: number,
): string {
  return uuidV5(
    DERIVED_NAMESPACE,
    termText(document.tenantId, document.documentId, kind, key, String(ordinal)),
  );
}

/** The plain extensions that say where a fact came from: document and version, words and spans, score, pipeline, rule. */
export function traceExtensions(
  document: DocumentEnvelope,
  fact: Fact,
  dateSource: 'text' | 'document',
): Extension[] {
  const first = fact.mentions[0]!;
  const spans = [...fact.mentions].sort((a, b) => a.start - b.start).slice(0, MAX_SPANS);
  const because = first.because
    ? Object.entries(first.because)
        .map(([stage, why]) => `${stage}=${why}`)
        .join('; ')
    : undefined;
  return [
    ...sourceExtensions(document),
    ...spans.map((m) => ({
      url: extensionUrl('source-span'),
      extension: [
        { url: 'start', valueInteger: m.start },
        { url: 'end', valueInteger: m.end },
        { url: 'text', valueString: m.text },
      ],
    })),
    { url: extensionUrl('derivation-score'), valueDecimal: Math.round(first.score * 1000) / 1000 },
    { url: extensionUrl('pipeline-version'), valueString: document.pipeline },
    ...(because ? [{ url: extensionUrl('derivation-rule'), valueString: because }] : []),
    { url: extensionUrl('date-source'), valueCode: dateSource },
  ];
}

/** Which document, and which version of it. Membership of the group that a re-reading replaces hangs on the first. */
export function sourceExtensions(document: DocumentEnvelope): Extension[] {
  return [
    {
      url: extensionUrl('derived-from-document'),
      valueReference: { reference: `DocumentReference/${document.documentId}` },
    },
    { url: extensionUrl('source-version'), valueString: String(document.documentVersion) },
  ];
}

/** The head every derived resource shares. */
export function derivedHead(
  resourceType: string,
  id: string,
  profile: string,
  extension: Extension[],
): Resource & { extension: Extension[] } {
  return { resourceType, id, meta: { profile: [extensionUrl(profile)], tag: [ORIGIN_DERIVED] }, extension };
}

/** One best code per standard system, and the words of the note as text. */
export function codeableConcept(fact: Fact, systems?: readonly string[]): CodeableConcept {
  const coding: { system: string; code: string; display: string }[] = [];
  for (const c of fact.concepts) {
    if (systems && !systems.includes(c.system)) continue;
    if (coding.some((x) => x.system === c.system)) continue;
    coding.push({ system: c.system, code: c.code, display: c.display });
  }
  const text = nameOf(fact.mentions[0]!).replace(/\s+/g, ' ').trim();
  return coding.length > 0 ? { coding, text } : { text };
}

/** The key a fact is numbered under, with its kind: what `derivedId` counts ordinals by. */
export function ordinalKey(fact: Fact): string {
  return `${fact.kind}\n${normalizedWords(fact.key)}`;
}
