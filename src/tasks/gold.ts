import type { Annotation, Concept, Mention } from '../../nlp/model.js';
import type { CodeableConcept, StoredResource } from '../core/resource.js';
import { extensionUrl } from '../mapping/document.js';
import { categoryOfConcept } from '../mapping/procedure-category.js';
import { readAnnotation } from '../store/annotations.js';
import type { Store } from '../store/contract.js';
import { REVIEW_SYSTEM } from '../store/derived-group.js';
import type { Tenant } from '../tenancy/tenant.js';
import { documentText } from './document-text.js';

/** A note with what people decided of it, in the form `annotate` gives: to train on and to evaluate by. */
export interface GoldNote extends Annotation {
  readonly text: string;
  /** Mentions of facts that a person confirmed, corrected or rejected; the others are as the pipeline left them. */
  readonly reviewed: number;
}

const FACT_TYPES = [
  'Condition',
  'MedicationStatement',
  'Procedure',
  'FamilyMemberHistory',
  'AllergyIntolerance',
  'Immunization',
  'Observation',
];

interface Extension {
  url: string;
  extension?: Extension[];
  valueInteger?: number;
  valueReference?: { reference?: string };
}

/** Every note of which a person reviewed a fact, one at a time. Holds the reviewed facts in memory, not the notes. */
export async function* goldNotes(store: Store, tenant: Tenant): AsyncGenerator<GoldNote> {
  const facts = new Map<string, StoredResource[]>();
  for await (const batch of store.scan(tenant, { types: FACT_TYPES })) {
    for (const fact of batch) {
      const document = decisionOf(fact) && documentOf(fact);
      if (!document) continue;
      const list = facts.get(document);
      if (list) list.push(fact);
      else facts.set(document, [fact]);
    }
  }
  for (const [documentId, reviewed] of facts) {
    const document = (await store.read(tenant, 'DocumentReference', documentId))?.resource;
    const annotation = (await readAnnotation(tenant, documentId))?.annotation as Annotation | undefined;
    const text = document && (await documentText(store, tenant, document));
    if (!annotation || text === undefined) continue;
    const mentions = annotation.mentions.map((mention) => decided(mention, reviewed));
    yield { ...annotation, mentions, text, reviewed: reviewed.length };
  }
}

function decisionOf(fact: StoredResource): string | undefined {
  return fact.meta.tag?.find((t) => t.system === REVIEW_SYSTEM)?.code;
}

function extensionsOf(fact: StoredResource, name: string): Extension[] {
  return ((fact.extension ?? []) as Extension[]).filter((e) => e.url === extensionUrl(name));
}

function documentOf(fact: StoredResource): string | undefined {
  return extensionsOf(fact, 'derived-from-document')[0]?.valueReference?.reference?.replace(
    'DocumentReference/',
    '',
  );
}

/** The mention with what a person decided of its fact; itself where nobody did. */
function decided(mention: Mention, reviewed: readonly StoredResource[]): Mention {
  const fact = reviewed.find((r) =>
    extensionsOf(r, 'source-span').some((span) => {
      const at = (name: string) => span.extension?.find((e) => e.url === name)?.valueInteger;
      return at('start') === mention.start && at('end') === mention.end;
    }),
  );
  if (!fact) return mention;
  const because = { ...mention.because, review: decisionOf(fact)! };
  if (because.review === 'rejected')
    return { ...mention, accepted: false, reason: 'rejected-by-person', because };
  if (because.review !== 'corrected') return { ...mention, accepted: true, because };
  const { category: _, ...rest } = mention;
  // Only of a Procedure does the corrected resource say a category.
  const category =
    fact.resourceType === 'Procedure'
      ? categoryOfConcept(fact.category as CodeableConcept | undefined)
      : mention.category;
  return { ...rest, ...(category && { category }), accepted: true, concepts: conceptsOf(fact), because };
}

function conceptsOf(fact: StoredResource): Concept[] {
  const concept = (fact.code ?? fact.medicationCodeableConcept ?? fact.vaccineCode) as
    | CodeableConcept
    | undefined;
  return (concept?.coding ?? []).map(({ system = '', code = '', display = '' }) => ({
    system,
    code,
    display,
    score: 1,
  }));
}
