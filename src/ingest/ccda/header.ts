import type { Resource } from '../../core/resource.js';
import { date, idOf } from '../hl7-values.js';
import type { Element } from './element.js';
import {
  address,
  type Context,
  concept,
  humanName,
  type Identifier,
  identifiers,
  interval,
  period,
  telecom,
  time,
} from './values.js';

const SSN = 'http://hl7.org/fhir/sid/us-ssn';
const US_CORE = 'http://hl7.org/fhir/us/core/StructureDefinition';

export function listed<T>(name: string, values: readonly (T | undefined)[]): Record<string, T[]> {
  const list = values.filter((value) => value !== undefined) as T[];
  return list.length > 0 ? { [name]: list } : {};
}

function contacts(element: Element): Record<string, unknown> {
  return {
    ...listed('telecom', element.all('telecom').map(telecom)),
    ...listed('address', element.all('addr').map(address)),
  };
}

/** The id follows from the first identifier that names a person, as in messages; else from name and birth. */
function idFrom(type: string, ids: readonly Identifier[], otherwise: readonly string[]): string {
  const named = ids.find(({ system }) => system !== SSN) ?? ids[0];
  return named ? idOf(type, named.system, named.value) : idOf(type, ...otherwise);
}

export function nameText(name: Record<string, unknown> | undefined): string | undefined {
  if (!name) return undefined;
  if (typeof name.text === 'string') return name.text;
  const list = (key: string) => (name[key] as string[] | undefined) ?? [];
  return [...list('prefix'), ...list('given'), name.family as string | undefined, ...list('suffix')]
    .filter(Boolean)
    .join(' ');
}

/** recordTarget/patientRole. */
export function patient(role: Element, context: Context): Resource {
  const person = role.at('patient');
  const ids = identifiers(role);
  const names = (person?.all('name') ?? []).map(humanName).filter((name) => name !== undefined);
  const birthDate = date(person?.at('birthTime')?.get('value'), context.sender);
  const gender = { M: 'male', F: 'female', UN: 'other', UNK: 'unknown' }[
    person?.at('administrativeGenderCode')?.get('code') ?? ''
  ];
  const marital = concept(person?.at('maritalStatusCode'), context);
  const deceasedAt = time(person?.at('deceasedTime'), context);
  const languages = (person?.all('languageCommunication') ?? []).flatMap((one) => {
    const code = one.at('languageCode')?.get('code');
    const preferred = one.at('preferenceInd')?.get('value');
    return code
      ? [
          {
            language: { coding: [{ system: 'urn:ietf:bcp:47', code }], text: code },
            ...(preferred && { preferred: preferred === 'true' }),
          },
        ]
      : [];
  });
  return {
    resourceType: 'Patient',
    id: idFrom('Patient', ids, [nameText(names[0]) ?? '', birthDate ?? '']),
    ...listed('extension', [
      categories('us-core-race', [...(person?.all('raceCode') ?? [])], context, 5),
      categories('us-core-ethnicity', [...(person?.all('ethnicGroupCode') ?? [])], context, 1),
    ]),
    ...listed('identifier', ids),
    ...listed('name', names),
    ...contacts(role),
    ...(gender && { gender }),
    ...(birthDate && { birthDate }),
    ...(deceasedAt
      ? { deceasedDateTime: deceasedAt }
      : person?.at('deceasedInd')?.get('value') === 'true'
        ? { deceasedBoolean: true }
        : {}),
    ...(marital && { maritalStatus: marital }),
    ...listed('communication', languages),
  };
}

function categories(
  name: string,
  codes: readonly Element[],
  context: Context,
  most: number,
): object | undefined {
  const known = codes.flatMap((code) => (code.absent ? [] : (concept(code, context) ?? [])));
  if (known.length === 0) return undefined;
  const codings = known.flatMap(({ coding }) => coding?.slice(0, 1) ?? []);
  return {
    url: `${US_CORE}/${name}`,
    extension: [
      ...codings.slice(0, most).map((valueCoding) => ({ url: 'ombCategory', valueCoding })),
      {
        url: 'text',
        valueString:
          known
            .map(({ text }) => text ?? '')
            .filter(Boolean)
            .join(', ') || 'unknown',
      },
    ],
  };
}

export interface Who {
  readonly reference: { readonly reference?: string; readonly display?: string };
  readonly resources: readonly Resource[];
}

/** Any assigned role (assignedAuthor, assignedEntity): the person, else the device or the organisation. */
export function assigned(role: Element | undefined): Who | undefined {
  if (!role) return undefined;
  const name = role.at('assignedPerson')?.all('name').map(humanName).find(Boolean);
  const work = organization(role.at('representedOrganization'));
  const display = nameText(name);
  if (!display) {
    const device = role.at('assignedAuthoringDevice', 'softwareName')?.text();
    if (device) return { reference: { display: device }, resources: [] };
    return work;
  }
  const ids = identifiers(role);
  if (ids.length === 0) return { reference: { display }, resources: [] };
  const id = idFrom('Practitioner', ids, []);
  return {
    reference: { reference: `Practitioner/${id}`, display },
    resources: [
      { resourceType: 'Practitioner', id, identifier: ids, name: [name!], ...contacts(role) },
      ...(work?.resources ?? []),
    ],
  };
}

export function organization(element: Element | undefined): Who | undefined {
  const name = element?.at('name')?.text();
  if (!element || !name) return undefined;
  const ids = identifiers(element);
  if (ids.length === 0) return { reference: { display: name }, resources: [] };
  const id = idFrom('Organization', ids, []);
  return {
    reference: { reference: `Organization/${id}`, display: name },
    resources: [{ resourceType: 'Organization', id, identifier: ids, name, ...contacts(element) }],
  };
}

const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const CLASSES = new Set(['AMB', 'EMER', 'FLD', 'HH', 'IMP', 'ACUTE', 'NONAC', 'OBSENC', 'PRENC', 'SS', 'VR']);

/** The class of an encounter among its codes; `unknown` where none says it. */
export function encounterClass(codes: readonly Element[]): object {
  const found = codes
    .flatMap((code) => [code, ...code.all('translation')])
    .find(
      (code) => code.get('codeSystem') === '2.16.840.1.113883.5.4' && CLASSES.has(code.get('code') ?? ''),
    );
  return found
    ? {
        system: ACT,
        code: found.get('code'),
        ...(found.get('displayName') && { display: found.get('displayName') }),
      }
    : { system: 'http://terminology.hl7.org/CodeSystem/v3-NullFlavor', code: 'UNK', display: 'unknown' };
}

/** componentOf/encompassingEncounter: the stay that the document is about. */
export function encompassingEncounter(
  encounter: Element | undefined,
  patientId: string,
  context: Context,
): { resource: Resource; people: readonly Resource[] } | undefined {
  if (!encounter) return undefined;
  const ids = identifiers(encounter);
  const when = interval(encounter.at('effectiveTime'), context);
  const during = period(when);
  if (ids.length === 0 && !during) return undefined;
  const type = concept(encounter.at('code'), context);
  const who = [
    encounter.at('responsibleParty', 'assignedEntity'),
    ...encounter.all('encounterParticipant').map((p) => p.at('assignedEntity')),
  ].flatMap((role) => assigned(role) ?? []);
  const place = encounter.at('location', 'healthCareFacility');
  const placeName =
    place?.at('location', 'name')?.text() || place?.at('serviceProviderOrganization', 'name')?.text();
  return {
    people: who.flatMap(({ resources }) => resources),
    resource: {
      resourceType: 'Encounter',
      id: idFrom('Encounter', ids, [patientId, when.start ?? '']),
      ...listed('identifier', ids),
      status: when.ended ? 'finished' : during ? 'in-progress' : 'unknown',
      class: encounterClass(encounter.all('code')),
      ...listed('type', [type]),
      subject: { reference: `Patient/${patientId}` },
      // Only people and their organisations' roles may take part; organisations alone are left out.
      ...listed(
        'participant',
        who
          .filter(({ reference }) => !reference.reference?.startsWith('Organization/'))
          .map(({ reference }) => ({ individual: reference })),
      ),
      ...(during && { period: during }),
      ...(placeName && { location: [{ location: { display: placeName } }] }),
    },
  };
}
