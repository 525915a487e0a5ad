import type { Resource } from '../../core/resource.js';
import { date, dateTime, idOf, type Sender } from '../hl7-values.js';
import {
  address,
  concept,
  humanName,
  type Identifier,
  identified,
  identifier,
  nameText,
  telecom,
} from './datatypes.js';
import type { Repetition, Segment } from './message.js';

/** HL7 table 0001. */
const GENDERS: Readonly<Record<string, string>> = {
  M: 'male',
  F: 'female',
  O: 'other',
  A: 'other',
  N: 'other',
  U: 'unknown',
};
/** HL7 table 0002, where it differs from v3 MaritalStatus or is part of it. */
const MARITAL = new Set(['A', 'D', 'I', 'L', 'M', 'P', 'S', 'T', 'U', 'W']);
const US_CORE = 'http://hl7.org/fhir/us/core/StructureDefinition';
const SSN = 'http://hl7.org/fhir/sid/us-ssn';

function present<T>(values: readonly (T | undefined)[]): T[] {
  return values.filter((value) => value !== undefined) as T[];
}

/** An element of several, left out where there is none: FHIR has no empty arrays. */
export function listed<T>(name: string, values: readonly (T | undefined)[]): Record<string, T[]> {
  const list = present(values);
  return list.length > 0 ? { [name]: list } : {};
}

/**
 * The id of a person follows from the first identifier that is not the social security number, which is typed wrong
 * too often to name a person by, and from name and date of birth only where there is no identifier at all.
 */
export function personId(
  type: string,
  identifiers: readonly Identifier[],
  otherwise: readonly string[],
): string {
  const named = identifiers.find(({ system }) => system !== SSN) ?? identifiers[0];
  return named ? idOf(type, named.system, named.value) : idOf(type, ...otherwise);
}

/** PID. */
export function patient(pid: Segment, sender: Sender): Resource {
  // PID-3 replaced PID-2 and PID-4 in version 2.3.1; PID-19 is the social security number.
  const identifiers = present([
    ...[...pid.repetitions(3), ...pid.repetitions(2), ...pid.repetitions(4)].map((cx) =>
      identifier(cx, sender),
    ),
    pid.get(19) ? { system: SSN, value: pid.get(19)! } : undefined,
  ]).filter((one, i, all) => all.findIndex((o) => o.system === one.system && o.value === one.value) === i);
  const names = present(pid.repetitions(5).map((xpn) => humanName(xpn)));
  const birthDate = date(pid.get(7), sender);
  const death = dateTime(pid.get(29), sender);
  const marital = concept(pid.at(16));
  const maritalCode = pid.get(16);
  const race = present([raceExtension('us-core-race', pid.repetitions(10))]);
  const ethnicity = present([raceExtension('us-core-ethnicity', pid.repetitions(22))]);
  const language = concept(pid.at(15));
  const order = Number(pid.get(25));
  return {
    resourceType: 'Patient',
    id: personId('Patient', identifiers, [nameText(names[0]) ?? '', birthDate ?? '', sender.facility]),
    ...listed('extension', [...race, ...ethnicity]),
    ...listed('identifier', identifiers),
    ...listed('name', names),
    ...listed('telecom', [
      ...pid.repetitions(13).map((xtn) => telecom(xtn, 'home')),
      ...pid.repetitions(14).map((xtn) => telecom(xtn, 'work')),
    ]),
    ...(GENDERS[pid.get(8) ?? ''] && { gender: GENDERS[pid.get(8)!] }),
    ...(birthDate && { birthDate }),
    ...(death ? { deceasedDateTime: death } : pid.get(30) === 'Y' ? { deceasedBoolean: true } : {}),
    ...listed('address', pid.repetitions(11).map(address)),
    ...(marital && {
      maritalStatus: {
        ...(maritalCode && MARITAL.has(maritalCode)
          ? {
              coding: [
                { system: 'http://terminology.hl7.org/CodeSystem/v3-MaritalStatus', code: maritalCode },
              ],
            }
          : {}),
        text: marital.text,
      },
    }),
    ...(Number.isInteger(order) && order > 0 ? { multipleBirthInteger: order } : {}),
    ...(language && { communication: [{ language }] }),
  };
}

function raceExtension(name: string, repetitions: readonly Repetition[]): object | undefined {
  const codings = present(
    repetitions.map((cwe) => {
      const code = cwe.get(1);
      return code && /^\d{4}-\d$/.test(code)
        ? { system: 'urn:oid:2.16.840.1.113883.6.238', code, ...(cwe.get(2) && { display: cwe.get(2) }) }
        : undefined;
    }),
  );
  const text = repetitions
    .map((cwe) => cwe.get(2) ?? cwe.get(1))
    .filter(Boolean)
    .join(', ');
  if (!text) return undefined;
  // US Core allows one category of ethnicity and five of race.
  const most = name === 'us-core-race' ? 5 : 1;
  return {
    url: `${US_CORE}/${name}`,
    extension: [
      ...codings.slice(0, most).map((valueCoding) => ({ url: 'ombCategory', valueCoding })),
      { url: 'text', valueString: text },
    ],
  };
}

/** NK1: next of kin and other contacts. */
export function relatedPerson(nk1: Segment, patientId: string, sender: Sender): Resource | undefined {
  const names = present(nk1.repetitions(2).map((xpn) => humanName(xpn)));
  if (names.length === 0) return undefined;
  const relationship = concept(nk1.at(3));
  const birthDate = date(nk1.get(16), sender);
  return {
    resourceType: 'RelatedPerson',
    id: idOf('RelatedPerson', patientId, nameText(names[0])!.toLowerCase(), nk1.get(3) ?? ''),
    patient: { reference: `Patient/${patientId}` },
    ...(relationship && { relationship: [relationship] }),
    name: names,
    ...listed('telecom', [
      ...nk1.repetitions(5).map((xtn) => telecom(xtn, 'home')),
      ...nk1.repetitions(6).map((xtn) => telecom(xtn, 'work')),
    ]),
    ...(GENDERS[nk1.get(15) ?? ''] && { gender: GENDERS[nk1.get(15)!] }),
    ...(birthDate && { birthDate }),
    ...listed('address', nk1.repetitions(4).map(address)),
  };
}

/** XCN: who did something, as a reference with a name, and the Practitioner where an identifier says who it is. */
export function practitioner(
  xcn: Repetition,
  sender: Sender,
): { reference: { reference?: string; display?: string }; resource: Resource | undefined } | undefined {
  const value = xcn.get(1);
  const name = humanName(xcn, 1);
  const display = nameText(name);
  if (!value && !display) return undefined;
  if (!value || !name) return { reference: { display: display ?? value }, resource: undefined };
  // Authority (9) and type (13) stand elsewhere in XCN than in CX.
  const found = identified(value, xcn.component(9), xcn.get(13), sender);
  const id = idOf('Practitioner', found.system, found.value);
  return {
    reference: { reference: `Practitioner/${id}`, ...(display && { display }) },
    resource: { resourceType: 'Practitioner', id, identifier: [found], name: [name] },
  };
}
