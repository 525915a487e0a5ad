import type { Annotation } from '../../nlp/model.js';
import type { Resource } from '../core/resource.js';
import { allergyIntolerance } from './allergy-intolerance.js';
import { condition } from './condition.js';
import { derivedId, ordinalKey } from './derived.js';
import type { DocumentEnvelope } from './document.js';
import { type Fact, type FactKind, factsOf } from './fact.js';
import { familyMemberHistory } from './family-member-history.js';
import { immunization } from './immunization.js';
import { medicationStatement } from './medication-statement.js';
import { observation } from './observation.js';
import { procedure } from './procedure.js';
import { provenance } from './provenance.js';

type Mapper = (fact: Fact, id: string, document: DocumentEnvelope) => Resource | undefined;

const MAPPERS: Readonly<Record<FactKind, Mapper>> = {
  medication: medicationStatement,
  condition,
  symptom: condition,
  procedure,
  'family-history': familyMemberHistory,
  allergy: allergyIntolerance,
  immunization,
  observation,
  social: observation,
};

/**
 * Every resource the annotation of one document version yields: the facts, and one Provenance over them. Empty
 * where the document has no subject or says nothing. Pure: the same annotation and envelope give the same bytes.
 */
export function mapAnnotation(annotation: Annotation, document: DocumentEnvelope): Resource[] {
  if (!document.subject) return [];
  const ordinals = new Map<string, number>();
  const facts: Resource[] = [];
  for (const fact of factsOf(annotation.mentions)) {
    const key = ordinalKey(fact);
    const ordinal = ordinals.get(key) ?? 0;
    ordinals.set(key, ordinal + 1);
    const resource = MAPPERS[fact.kind](fact, derivedId(document, fact.kind, fact.key, ordinal), document);
    if (resource) facts.push(resource);
  }
  return facts.length === 0 ? [] : [...facts, provenance(facts, document)];
}

export type { DocumentEnvelope } from './document.js';
