import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Annotation, Attribute, Mention } from '../../nlp/model.js';
import { codePointOffsets, comprehendAnswer } from '../../src/mapping/comprehend.js';

const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';
const ICD10CM = 'http://hl7.org/fhir/sid/icd-10-cm';

function attribute(text: string, words: string, type: Attribute['type']): Attribute {
  const start = text.indexOf(words);
  return { type, text: words, start, end: start + words.length };
}

function mention(text: string, words: string, over: Partial<Mention>): Mention {
  const start = text.indexOf(words);
  return {
    start,
    end: start + words.length,
    text: words,
    type: 'diagnosis',
    assertion: { polarity: 'affirmed', temporality: 'current', experiencer: 'patient' },
    attributes: [],
    concepts: [],
    score: 0.9,
    accepted: true,
    ...over,
  };
}

const annotation = (mentions: Mention[], sections: Annotation['sections'] = []): Annotation => ({
  id: 'n',
  pipeline: 'p/1',
  sections,
  mentions,
});

describe('offsets in code points', () => {
  it.each([
    ['plain', 'plain', [0, 1, 2, 3, 4, 5]],
    ['an emoji', 'a😀b', [0, 1, 1, 2, 3]],
    ['an astral letter first', '𝒳y', [0, 0, 1, 2]],
    ['a family joined by ZWJ', '👩‍👧x', [0, 0, 1, 2, 2, 3, 4]],
    ['lone surrogates', 'a\ud800b\udc00', [0, 1, 2, 3, 4]],
    ['combining marks', 'e\u0301x', [0, 1, 2, 3]],
    ['nothing', '', [0]],
  ])('%s', (_, text, expected) => {
    const toPoints = codePointOffsets(text);
    expect(expected.map((_, offset) => toPoints(offset))).toEqual(expected);
  });

  it('agree with the iterator of the language on any text of any length', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '😀', '𝒳', ' ', 'é'), { maxLength: 900 }), (parts) => {
        const text = parts.join('');
        const toPoints = codePointOffsets(text);
        let offset = 0;
        parts.forEach((part) => {
          expect(toPoints(offset)).toBe([...text.slice(0, offset)].length);
          offset += part.length;
        });
        expect(toPoints(offset)).toBe([...text].length);
      }),
      { numRuns: 30 },
    );
  });

  it('cut the same words out of the text as our own do', () => {
    const text = '😀😀 Takes 💊 Advil 200 mg daily 🏥.';
    const answer = comprehendAnswer(
      'comprehend-rxnorm',
      text,
      annotation([
        mention(text, 'Advil', {
          type: 'medication',
          attributes: [attribute(text, '200 mg', 'strength'), attribute(text, 'daily', 'frequency')],
          concepts: [{ system: RXNORM, code: '153010', display: 'Advil', score: 0.95 }],
        }),
      ]),
    );
    const points = [...text];
    const all = answer.Entities.flatMap((entity) => [entity, ...entity.Attributes]);
    expect(all).toHaveLength(3);
    for (const each of all) expect(points.slice(each.BeginOffset, each.EndOffset).join('')).toBe(each.Text);
  });
});

describe('DetectEntitiesV2', () => {
  const NEGATED = { polarity: 'negated', temporality: 'current', experiencer: 'patient' } as const;

  it('answers an entity with its attributes, numbered through', () => {
    const text = 'Takes metformin 500 mg PO BID since 2019.';
    const answer = comprehendAnswer(
      'comprehend-entities',
      text,
      annotation([
        mention(text, 'metformin', {
          type: 'medication',
          attributes: [
            attribute(text, '500 mg', 'strength'),
            attribute(text, 'PO', 'route'),
            attribute(text, '2019', 'date'),
          ],
          concepts: [{ system: RXNORM, code: '6809', display: 'metformin', score: 1 }],
        }),
      ]),
    );
    expect(answer).toEqual({
      Entities: [
        {
          Id: 0,
          Text: 'metformin',
          Score: 0.9,
          BeginOffset: 6,
          EndOffset: 15,
          Category: 'MEDICATION',
          Type: 'GENERIC_NAME',
          Traits: [],
          Attributes: [
            {
              Id: 1,
              Text: '500 mg',
              Score: 0.9,
              BeginOffset: 16,
              EndOffset: 22,
              Type: 'STRENGTH',
              Category: 'MEDICATION',
              RelationshipType: 'STRENGTH',
              RelationshipScore: 0.9,
              Traits: [],
            },
            expect.objectContaining({ Id: 2, Text: 'PO', Type: 'ROUTE_OR_MODE' }),
            expect.objectContaining({
              Id: 3,
              Text: '2019',
              Type: 'TIME_TO_MEDICATION_NAME',
              Category: 'TIME_EXPRESSION',
              RelationshipType: 'OVERLAP',
            }),
          ],
        },
      ],
      UnmappedAttributes: [],
      ModelVersion: 'p/1',
    });
  });

  it.each<[what: string, over: Partial<Mention>, category: string, type: string, traits: string[]]>([
    ['a diagnosis', {}, 'MEDICAL_CONDITION', 'DX_NAME', ['DIAGNOSIS']],
    ['a symptom', { type: 'symptom' }, 'MEDICAL_CONDITION', 'DX_NAME', ['SYMPTOM']],
    [
      'a denied symptom',
      { type: 'symptom', assertion: NEGATED, accepted: false, reason: 'negated' },
      'MEDICAL_CONDITION',
      'DX_NAME',
      ['SYMPTOM', 'NEGATION'],
    ],
    [
      'a past diagnosis',
      { assertion: { ...NEGATED, polarity: 'affirmed', temporality: 'past' } },
      'MEDICAL_CONDITION',
      'DX_NAME',
      ['DIAGNOSIS', 'PAST_HISTORY'],
    ],
    [
      'a possible one',
      { assertion: { ...NEGATED, polarity: 'possible' } },
      'MEDICAL_CONDITION',
      'DX_NAME',
      ['DIAGNOSIS', 'LOW_CONFIDENCE'],
    ],
    [
      'a hypothetical one',
      { assertion: { ...NEGATED, polarity: 'affirmed', temporality: 'hypothetical' } },
      'MEDICAL_CONDITION',
      'DX_NAME',
      ['DIAGNOSIS', 'HYPOTHETICAL'],
    ],
    [
      'the family\u2019s',
      { assertion: { ...NEGATED, polarity: 'affirmed', experiencer: 'family' } },
      'MEDICAL_CONDITION',
      'DX_NAME',
      ['DIAGNOSIS', 'PERTAINS_TO_FAMILY'],
    ],
    [
      'a planned procedure',
      { type: 'procedure', assertion: { ...NEGATED, polarity: 'affirmed', temporality: 'planned' } },
      'TEST_TREATMENT_PROCEDURE',
      'PROCEDURE_NAME',
      ['FUTURE'],
    ],
    ['imaging', { type: 'procedure', category: 'diagnostic' }, 'TEST_TREATMENT_PROCEDURE', 'TEST_NAME', []],
    [
      'an operation',
      { type: 'procedure', category: 'therapeutic', text: 'appendectomy' },
      'TEST_TREATMENT_PROCEDURE',
      'PROCEDURE_NAME',
      [],
    ],
    [
      'what treats over weeks',
      { type: 'procedure', category: 'therapeutic', text: 'radiation therapy' },
      'TEST_TREATMENT_PROCEDURE',
      'TREATMENT_NAME',
      [],
    ],
    ['a test', { type: 'test' }, 'TEST_TREATMENT_PROCEDURE', 'TEST_NAME', []],
    ['an allergen', { type: 'allergen' }, 'BEHAVIORAL_ENVIRONMENTAL_SOCIAL', 'ALLERGIES', []],
    [
      'a brand',
      {
        type: 'medication',
        concepts: [{ system: RXNORM, code: '1', display: 'ibuprofen 200 MG [Advil]', score: 1 }],
      },
      'MEDICATION',
      'BRAND_NAME',
      [],
    ],
    [
      'a name',
      { type: 'phi', kind: 'name', accepted: false, reason: 'not-a-fact' },
      'PROTECTED_HEALTH_INFORMATION',
      'NAME',
      [],
    ],
    [
      'a fax number',
      { type: 'phi', kind: 'fax', accepted: false, reason: 'not-a-fact' },
      'PROTECTED_HEALTH_INFORMATION',
      'PHONE_OR_FAX',
      [],
    ],
  ])('%s', (_, over, category, type, traits) => {
    const [entity] = comprehendAnswer(
      'comprehend-entities',
      'thing',
      annotation([mention('thing', 'thing', over)]),
    ).Entities;
    expect([entity!.Category, entity!.Type, entity!.Traits.map(({ Name }) => Name)]).toEqual([
      category,
      type,
      traits,
    ]);
  });

  it.each([
    ['smoker', 'TOBACCO_USE'],
    ['drinks socially', 'ALCOHOL_CONSUMPTION'],
    ['IVDU', 'REC_DRUG_USE'],
  ])('%s is %s', (words, type) => {
    const one = annotation([mention(words, words, { type: 'social' })]);
    expect(comprehendAnswer('comprehend-entities', words, one).Entities[0]!.Type).toBe(type);
  });

  it('calls a finding of the examination a sign', () => {
    const text = 'EXAM: edema';
    const sections = [{ kind: 'physical-exam' as const, title: 'EXAM', start: 0, end: 11 }];
    const [entity] = comprehendAnswer(
      'comprehend-entities',
      text,
      annotation([mention(text, 'edema', { type: 'symptom' })], sections),
    ).Entities;
    expect(entity!.Traits[0]!.Name).toBe('SIGN');
  });

  it('leaves out what is no statement at all, and units that stand in no words', () => {
    const text = 'digoxin level 2, HR 72';
    const answer = comprehendAnswer(
      'comprehend-entities',
      text,
      annotation([
        mention(text, 'digoxin', { type: 'medication', accepted: false, reason: 'not-a-fact' }),
        mention(text, 'HR', {
          type: 'vital-sign',
          attributes: [
            attribute(text, '72', 'value'),
            { ...attribute(text, '72', 'unit'), normalized: '/min' },
          ],
        }),
      ]),
    );
    expect(answer.Entities.map((e) => [e.Text, e.Attributes.map((a) => a.Type)])).toEqual([
      ['HR', ['TEST_VALUE']],
    ]);
  });
});

describe('InferRxNorm and InferICD10CM', () => {
  const text = 'Acute left otitis media. Amoxicillin 500 mg stopped.';
  const both = annotation([
    mention(text, 'otitis media', {
      attributes: [attribute(text, 'Acute', 'acuity'), attribute(text, 'left', 'laterality')],
      concepts: [
        { system: 'http://snomed.info/sct', code: '3110003', display: 'Acute otitis media', score: 0.9 },
        { system: ICD10CM, code: 'H66.92', display: 'Otitis media, unspecified, left ear', score: 0.8 },
      ],
    }),
    mention(text, 'Amoxicillin', {
      type: 'medication',
      assertion: { polarity: 'affirmed', temporality: 'planned', experiencer: 'patient' },
      attributes: [attribute(text, '500 mg', 'strength')],
      concepts: [{ system: RXNORM, code: '723', display: 'amoxicillin', score: 1 }],
    }),
  ]);

  it('give drugs with RxNorm concepts, and only the traits that operation knows', () => {
    const { Entities } = comprehendAnswer('comprehend-rxnorm', text, both);
    expect(Entities).toMatchObject([
      {
        Text: 'Amoxicillin',
        Category: 'MEDICATION',
        Type: 'GENERIC_NAME',
        Traits: [],
        Attributes: [{ Type: 'STRENGTH', RelationshipScore: 0.9 }],
        RxNormConcepts: [{ Code: '723', Description: 'amoxicillin', Score: 1 }],
      },
    ]);
    expect(Entities[0]).not.toHaveProperty('ICD10CMConcepts');
  });

  it('give conditions with ICD-10-CM concepts', () => {
    const { Entities } = comprehendAnswer('comprehend-icd10cm', text, both);
    expect(Entities).toMatchObject([
      {
        Text: 'otitis media',
        Category: 'MEDICAL_CONDITION',
        Type: 'DX_NAME',
        Attributes: [
          { Type: 'ACUITY', Category: 'DX_NAME' },
          { Type: 'DIRECTION', Category: 'DX_NAME' },
        ],
        ICD10CMConcepts: [{ Code: 'H66.92', Score: 0.8 }],
      },
    ]);
  });
});
