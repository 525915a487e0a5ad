import type {
  Annotation,
  Attribute,
  AttributeType,
  Mention,
  MentionType,
  PhiKind,
  SectionKind,
  Span,
} from '../../nlp/model.js';
import { substanceOf } from './substance.js';

/**
 * Annotations in the shapes of Amazon Comprehend Medical's DetectEntitiesV2, InferRxNorm and InferICD10CM, so that
 * a client written for them reads ours. Offsets there are Unicode code points, here UTF-16 code units.
 * See https://docs.aws.amazon.com/comprehend-medical/latest/api/API_DetectEntitiesV2.html and its neighbours.
 */
export type ComprehendFormat = 'comprehend-entities' | 'comprehend-rxnorm' | 'comprehend-icd10cm';

export const COMPREHEND_FORMATS: readonly ComprehendFormat[] = [
  'comprehend-entities',
  'comprehend-rxnorm',
  'comprehend-icd10cm',
];

export interface ComprehendTrait {
  readonly Name: string;
  readonly Score: number;
}

interface Located {
  readonly Id: number;
  readonly Text: string;
  readonly Score: number;
  readonly BeginOffset: number;
  readonly EndOffset: number;
  readonly Traits: readonly ComprehendTrait[];
}

export interface ComprehendAttribute extends Located {
  readonly Type: string;
  readonly Category?: string;
  readonly RelationshipScore: number;
  readonly RelationshipType?: string;
}

export interface ComprehendConcept {
  readonly Code: string;
  readonly Description: string;
  readonly Score: number;
}

export interface ComprehendEntity extends Located {
  readonly Category: string;
  readonly Type: string;
  readonly Attributes: readonly ComprehendAttribute[];
  readonly RxNormConcepts?: readonly ComprehendConcept[];
  readonly ICD10CMConcepts?: readonly ComprehendConcept[];
}

export interface ComprehendAnswer {
  readonly Entities: readonly ComprehendEntity[];
  readonly UnmappedAttributes: readonly never[];
  readonly ModelVersion: string;
}

const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const ICD10CM = 'http://hl7.org/fhir/sid/icd-10-cm';

interface AttributeShape {
  readonly type: string;
  readonly category: string;
}

const MEDICATION: Readonly<Partial<Record<AttributeType, AttributeShape>>> = Object.fromEntries(
  (
    [
      ['strength', 'STRENGTH'],
      ['dose', 'DOSAGE'],
      ['form', 'FORM'],
      ['route', 'ROUTE_OR_MODE'],
      ['frequency', 'FREQUENCY'],
      ['duration', 'DURATION'],
    ] as const
  ).map(([ours, type]) => [ours, { type, category: 'MEDICATION' }]),
);

const CONDITION: Readonly<Partial<Record<AttributeType, AttributeShape>>> = {
  acuity: { type: 'ACUITY', category: 'MEDICAL_CONDITION' },
  severity: { type: 'QUALITY', category: 'MEDICAL_CONDITION' },
  laterality: { type: 'DIRECTION', category: 'ANATOMY' },
  'body-site': { type: 'SYSTEM_ORGAN_SITE', category: 'ANATOMY' },
};

const TEST: Readonly<Partial<Record<AttributeType, AttributeShape>>> = {
  value: { type: 'TEST_VALUE', category: 'TEST_TREATMENT_PROCEDURE' },
  unit: { type: 'TEST_UNIT', category: 'TEST_TREATMENT_PROCEDURE' },
};

const PLACED: Readonly<Partial<Record<AttributeType, AttributeShape>>> = {
  laterality: CONDITION.laterality!,
  'body-site': CONDITION['body-site']!,
};

const PHI_TYPES: Readonly<Record<PhiKind, string>> = {
  name: 'NAME',
  date: 'DATE',
  age: 'AGE',
  phone: 'PHONE_OR_FAX',
  fax: 'PHONE_OR_FAX',
  email: 'EMAIL',
  url: 'URL',
  ip: 'ID',
  address: 'ADDRESS',
  organisation: 'ADDRESS',
  ssn: 'ID',
  mrn: 'ID',
  account: 'ID',
  'health-plan': 'ID',
  license: 'ID',
  vehicle: 'ID',
  device: 'ID',
  id: 'ID',
};

interface EntityShape {
  readonly category: string;
  readonly type: (mention: Mention) => string | undefined;
  readonly attributes: Readonly<Partial<Record<AttributeType, AttributeShape>>>;
  /** What a date of an entity of this type is called. */
  readonly time?: (type: string) => string;
}

const always = (type: string) => () => type;
const timeTo = (type: string) => `TIME_TO_${type}`;

const SHAPES: Readonly<Record<MentionType, EntityShape>> = {
  medication: {
    category: 'MEDICATION',
    type: brandOrGeneric,
    attributes: MEDICATION,
    time: always('TIME_TO_MEDICATION_NAME'),
  },
  vaccine: {
    category: 'MEDICATION',
    type: brandOrGeneric,
    attributes: MEDICATION,
    time: always('TIME_TO_MEDICATION_NAME'),
  },
  diagnosis: {
    category: 'MEDICAL_CONDITION',
    type: always('DX_NAME'),
    attributes: CONDITION,
    time: timeTo,
  },
  symptom: {
    category: 'MEDICAL_CONDITION',
    type: always('DX_NAME'),
    attributes: CONDITION,
    time: timeTo,
  },
  procedure: {
    category: 'TEST_TREATMENT_PROCEDURE',
    type: procedureType,
    attributes: PLACED,
    time: timeTo,
  },
  device: {
    category: 'TEST_TREATMENT_PROCEDURE',
    type: always('TREATMENT_NAME'),
    attributes: PLACED,
    time: timeTo,
  },
  test: {
    category: 'TEST_TREATMENT_PROCEDURE',
    type: always('TEST_NAME'),
    attributes: TEST,
    time: timeTo,
  },
  'vital-sign': {
    category: 'TEST_TREATMENT_PROCEDURE',
    type: always('TEST_NAME'),
    attributes: TEST,
    time: timeTo,
  },
  allergen: { category: 'BEHAVIORAL_ENVIRONMENTAL_SOCIAL', type: always('ALLERGIES'), attributes: {} },
  social: {
    category: 'BEHAVIORAL_ENVIRONMENTAL_SOCIAL',
    type: (mention) => substanceOf(mention.text),
    attributes: {},
  },
  phi: {
    category: 'PROTECTED_HEALTH_INFORMATION',
    type: (mention) => (mention.kind === undefined ? undefined : PHI_TYPES[mention.kind]),
    attributes: {},
  },
};

/** Done again and again over weeks, where an operation is done once. */
const OVER_TIME =
  /therap|chemo|radiation|irradiation|dialysis|rehabilitat|treatment|ventilation|[cb]i?pap|oxygen|nutrition|feeding|acupuncture|counsel|massage/i;

/** What finds out is a test there; what treats is a treatment where it takes its time, else a procedure. */
function procedureType({ category, name, text }: Mention): string {
  if (category === 'diagnostic') return 'TEST_NAME';
  return category === 'therapeutic' && OVER_TIME.test(name ?? text) ? 'TREATMENT_NAME' : 'PROCEDURE_NAME';
}

/** RxNorm writes brands with a capital or in brackets and ingredients in small letters; no other word tells them apart. */
function brandOrGeneric(mention: Mention): string {
  const best = mention.concepts.find(({ system }) => system === RXNORM);
  return best && /^\p{Lu}|\[[^\]]+\]$/u.test(best.display) ? 'BRAND_NAME' : 'GENERIC_NAME';
}

/** Refused as no statement of this kind at all; there the model has no trait that would say so. */
const NOT_SAID: ReadonlySet<string> = new Set(['not-a-fact', 'allergy-list', 'other-person']);

/**
 * An annotation as DetectEntitiesV2, InferRxNorm or InferICD10CM would answer. What was refused because it is denied,
 * past, planned, hypothetical or of the family is there with its trait; what is no statement at all is not.
 * @param text the text that was annotated, as given
 */
export function comprehendAnswer(
  format: ComprehendFormat,
  text: string,
  annotation: Annotation,
): ComprehendAnswer {
  const toPoints = codePointOffsets(text);
  let id = 0;
  const entities: ComprehendEntity[] = [];
  for (const mention of annotation.mentions) {
    if (mention.type !== 'phi' && mention.reason !== undefined && NOT_SAID.has(mention.reason)) continue;
    const shape = SHAPES[mention.type];
    if (!isAskedFor(format, shape.category)) continue;
    const type = shape.type(mention);
    if (type === undefined) continue;
    const traits = traitsOf(mention, sectionOf(mention, annotation), shape.category, format);
    const entity: ComprehendEntity = {
      Id: id++,
      ...located(mention, text, toPoints, mention.score),
      Category: shape.category,
      Type: type,
      Traits: traits,
      Attributes: mention.attributes.flatMap((attribute) => {
        const found = attributeOf(attribute, mention, shape, type, format);
        return found
          ? [
              {
                Id: id++,
                ...located(attribute, text, toPoints, mention.score),
                ...found,
                RelationshipScore: mention.score,
                Traits: [],
              },
            ]
          : [];
      }),
      ...(format === 'comprehend-rxnorm' && { RxNormConcepts: conceptsOf(mention, RXNORM) }),
      ...(format === 'comprehend-icd10cm' && { ICD10CMConcepts: conceptsOf(mention, ICD10CM) }),
    };
    entities.push(entity);
  }
  return { Entities: entities, UnmappedAttributes: [], ModelVersion: annotation.pipeline };
}

function isAskedFor(format: ComprehendFormat, category: string): boolean {
  if (format === 'comprehend-rxnorm') return category === 'MEDICATION';
  if (format === 'comprehend-icd10cm') return category === 'MEDICAL_CONDITION';
  return true;
}

function located(
  span: Span,
  text: string,
  toPoints: (offset: number) => number,
  score: number,
): Omit<Located, 'Id' | 'Traits'> {
  return {
    Text: text.slice(span.start, span.end),
    Score: score,
    BeginOffset: toPoints(span.start),
    EndOffset: toPoints(span.end),
  };
}

/** Relationship types that InferICD10CM knows; for the others it gives none. */
const ICD10CM_RELATIONSHIPS: ReadonlySet<string> = new Set(['OVERLAP', 'SYSTEM_ORGAN_SITE', 'QUALITY']);

function attributeOf(
  attribute: Attribute,
  mention: Mention,
  shape: EntityShape,
  entityType: string,
  format: ComprehendFormat,
): Pick<ComprehendAttribute, 'Type' | 'Category' | 'RelationshipType'> | undefined {
  // A unit that was assumed stands in no words of its own.
  if (
    attribute.type === 'unit' &&
    mention.attributes.some((a) => a.type === 'value' && a.start === attribute.start)
  )
    return undefined;
  if (attribute.type === 'date') {
    // InferRxNorm has no time expressions.
    return shape.time && format !== 'comprehend-rxnorm'
      ? { Type: shape.time(entityType), Category: 'TIME_EXPRESSION', RelationshipType: 'OVERLAP' }
      : undefined;
  }
  const found = shape.attributes[attribute.type];
  if (!found) return undefined;
  if (format === 'comprehend-rxnorm') return { Type: found.type };
  if (format === 'comprehend-icd10cm') {
    return {
      Type: found.type,
      Category: 'DX_NAME',
      ...(ICD10CM_RELATIONSHIPS.has(found.type) && { RelationshipType: found.type }),
    };
  }
  return { Type: found.type, Category: found.category, RelationshipType: found.type };
}

/** Traits of InferRxNorm, which knows no others. */
const RXNORM_TRAITS: ReadonlySet<string> = new Set(['NEGATION', 'PAST_HISTORY']);

function traitsOf(
  mention: Mention,
  section: SectionKind | undefined,
  category: string,
  format: ComprehendFormat,
): ComprehendTrait[] {
  if (mention.type === 'phi') return [];
  const { polarity, temporality, experiencer } = mention.assertion;
  const names: string[] = [];
  if (mention.type === 'diagnosis') names.push('DIAGNOSIS');
  if (mention.type === 'symptom') names.push(section && EXAMINED.has(section) ? 'SIGN' : 'SYMPTOM');
  if (polarity === 'negated') names.push('NEGATION');
  if (category === 'MEDICAL_CONDITION' && (polarity === 'possible' || mention.reason === 'low-score'))
    names.push('LOW_CONFIDENCE');
  if (temporality === 'past') names.push('PAST_HISTORY');
  if (temporality === 'planned') names.push('FUTURE');
  if (temporality === 'hypothetical' || temporality === 'conditional') names.push('HYPOTHETICAL');
  if (experiencer === 'family') names.push('PERTAINS_TO_FAMILY');
  return names
    .filter((name) => format !== 'comprehend-rxnorm' || RXNORM_TRAITS.has(name))
    .map((Name) => ({ Name, Score: mention.score }));
}

/** Sections in which an examiner or a device speaks: a finding there is a sign, elsewhere it is what the patient feels. */
const EXAMINED: ReadonlySet<SectionKind> = new Set<SectionKind>([
  'physical-exam',
  'vital-signs',
  'findings',
  'imaging',
  'results',
]);

function sectionOf(mention: Mention, annotation: Annotation): SectionKind | undefined {
  return annotation.sections.find(({ start, end }) => mention.start >= start && mention.start < end)?.kind;
}

function conceptsOf(mention: Mention, system: string): ComprehendConcept[] {
  return mention.concepts
    .filter((concept) => concept.system === system)
    .map(({ code, display, score }) => ({ Code: code, Description: display, Score: score }));
}

/** Blocks of this many code units have their number of code points kept, so that an offset is found in one step. */
const BLOCK = 256;

/**
 * Converts offsets in UTF-16 code units into offsets in code points. An offset inside a surrogate pair is that of
 * the pair. Linear to prepare, constant to ask.
 */
export function codePointOffsets(text: string): (offset: number) => number {
  // Nothing to count where no unit is a surrogate, as in most notes.
  if (!/[\ud800-\udfff]/.test(text)) return (offset) => offset;
  const before = new Uint32Array(Math.ceil(text.length / BLOCK) + 1);
  let points = 0;
  for (let at = 0; at < text.length; at++) {
    if (at % BLOCK === 0) before[at / BLOCK] = points;
    if (!isPairEnd(text, at)) points++;
  }
  return (offset) => {
    const block = Math.floor(Math.min(offset, Math.max(0, text.length - 1)) / BLOCK);
    let count = before[block]!;
    for (let at = block * BLOCK; at < offset; at++) if (!isPairEnd(text, at)) count++;
    return isPairEnd(text, offset) ? count - 1 : count;
  };
}

/** True at the second unit of a surrogate pair; a lone surrogate is a code point of its own. */
function isPairEnd(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  if (!(code >= 0xdc00 && code <= 0xdfff)) return false;
  const lead = text.charCodeAt(at - 1);
  return lead >= 0xd800 && lead <= 0xdbff;
}
