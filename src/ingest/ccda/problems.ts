import type { CodeableConcept, Resource } from '../../core/resource.js';
import type { Element } from './element.js';
import { listed } from './header.js';
import {
  about,
  author,
  clinicalStatus,
  keyOf,
  related,
  relatedBy,
  SCT,
  STATUS_CODES,
  type Subject,
  statementId,
  T,
  textOnly,
} from './statement.js';
import { concept, interval, originalText } from './values.js';

/** SNOMED CT codes that stand for "a problem" at large: negated they mean that there is none. */
export const ANY_PROBLEM = new Set(['55607006', '64572001', '404684003', '282291009']);

export function condition(
  problem: Element,
  concern: Element | undefined,
  category: string,
  subject: Subject,
): Resource | undefined {
  const value = problem.at('value');
  const negated = problem.get('negationInd') === 'true';
  const none = negated && (value?.absent !== undefined || ANY_PROBLEM.has(value?.get('code') ?? ''));
  const code: CodeableConcept | undefined = none
    ? {
        coding: [{ system: SCT, code: '160245001', display: 'No current problems or disability' }],
        text: 'No known problems',
      }
    : (concept(value, subject) ?? textOnly(originalText(problem.at('text'), subject)));
  if (!code) return undefined;
  const when = interval(problem.at('effectiveTime'), subject);
  const said = STATUS_CODES[relatedBy(problem, T.problemStatus)?.at('value')?.get('code') ?? ''];
  const concernEnded = concern?.at('statusCode')?.get('code') === 'completed';
  const ended = when.ended || concernEnded;
  // R4 con-4: what has ended is not active.
  const status = ended && (said === undefined || said === 'active') ? 'resolved' : (said ?? 'active');
  const severity = concept(relatedBy(problem, T.severity)?.at('value'), subject);
  const by = author(problem, subject);
  const { id, found } = statementId('Condition', problem, subject, keyOf(code), when.start ?? '');
  return {
    resourceType: 'Condition',
    id,
    ...listed('identifier', found),
    clinicalStatus: clinicalStatus('condition', status),
    verificationStatus: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/condition-ver-status',
          code: negated && !none ? 'refuted' : 'confirmed',
        },
      ],
    },
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-category', code: category }] },
    ],
    ...(severity && { severity }),
    code,
    ...about(subject),
    ...(when.start && { onsetDateTime: when.start }),
    ...(when.end && { abatementDateTime: when.end }),
    ...(by.at && { recordedDate: by.at }),
    ...(by.who && { recorder: by.who }),
  };
}

/** Kinds of allergy (SNOMED CT) → type and category of AllergyIntolerance. */
export const ALLERGY_KINDS: Readonly<
  Record<string, readonly [type: string | undefined, category: string | undefined]>
> = {
  '416098002': ['allergy', 'medication'],
  '419511003': [undefined, 'medication'],
  '59037007': ['intolerance', 'medication'],
  '414285001': ['allergy', 'food'],
  '418471000': [undefined, 'food'],
  '235719002': ['intolerance', 'food'],
  '419199007': ['allergy', undefined],
  '426232007': ['allergy', 'environment'],
  '420134006': [undefined, undefined],
};
export const SEVERITIES: Readonly<Record<string, string>> = {
  '255604002': 'mild',
  '371923003': 'moderate',
  '6736007': 'moderate',
  '371924009': 'severe',
  '24484000': 'severe',
  '399166001': 'severe',
};

export function allergy(
  observation: Element,
  concern: Element | undefined,
  subject: Subject,
): Resource | undefined {
  const agent = observation
    .all('participant')
    .map((p) => p.at('participantRole', 'playingEntity'))
    .find((entity) => entity?.at('code') || entity?.at('name'));
  const kindCode = observation.at('value')?.get('code') ?? '';
  const [type, category] = ALLERGY_KINDS[kindCode] ?? [];
  const agentCode = concept(agent?.at('code'), subject) ?? textOnly(agent?.at('name')?.text());
  const negated = observation.get('negationInd') === 'true';
  const code: CodeableConcept | undefined =
    negated && !agentCode?.coding
      ? category === 'medication'
        ? {
            coding: [{ system: SCT, code: '409137002', display: 'No known drug allergy' }],
            text: 'No known drug allergies',
          }
        : {
            coding: [{ system: SCT, code: '716186003', display: 'No known allergy' }],
            text: 'No known allergies',
          }
      : agentCode;
  if (!code) return undefined;
  const refuted = negated && agentCode?.coding !== undefined;
  const when = interval(observation.at('effectiveTime'), subject);
  const said = STATUS_CODES[relatedBy(observation, T.allergyStatus)?.at('value')?.get('code') ?? ''];
  const status = when.ended
    ? 'resolved'
    : said === 'inactive' || said === 'resolved'
      ? said
      : concern?.at('statusCode')?.get('code') === 'completed'
        ? 'resolved'
        : 'active';
  const reactions = related(observation)
    .filter((one) => one.follows(T.reaction))
    .flatMap((one) => {
      const manifestation =
        concept(one.at('value'), subject) ?? textOnly(originalText(one.at('text'), subject));
      const severity = SEVERITIES[relatedBy(one, T.severity)?.at('value')?.get('code') ?? ''];
      return manifestation ? [{ manifestation: [manifestation], ...(severity && { severity }) }] : [];
    });
  const criticality = { CRITL: 'low', CRITH: 'high', CRITU: 'unable-to-assess' }[
    relatedBy(observation, T.criticality)?.at('value')?.get('code') ?? ''
  ];
  const by = author(observation, subject);
  const { id, found } = statementId('AllergyIntolerance', observation, subject, keyOf(code));
  const { subject: patient, ...encounter } = about(subject);
  return {
    resourceType: 'AllergyIntolerance',
    id,
    ...listed('identifier', found),
    clinicalStatus: clinicalStatus('allergyintolerance', status),
    verificationStatus: {
      coding: [
        {
          system: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification',
          code: refuted ? 'refuted' : 'confirmed',
        },
      ],
    },
    ...(type && { type }),
    ...(category && { category: [category] }),
    ...(criticality && { criticality }),
    code,
    patient,
    ...encounter,
    ...(when.start && { onsetDateTime: when.start }),
    ...(by.at && { recordedDate: by.at }),
    ...(by.who && { recorder: by.who }),
    ...listed('reaction', reactions),
  };
}
