import type { Resource } from '../../core/resource.js';
import { dateTime, idOf, type Sender } from '../hl7-values.js';
import { concept, identifier } from './datatypes.js';
import type { Segment } from './message.js';
import { listed, practitioner } from './people.js';

const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
/** HL7 table 0004 → v3 ActEncounterCode. */
const CLASSES: Readonly<Record<string, readonly [code: string, display: string]>> = {
  I: ['IMP', 'inpatient encounter'],
  B: ['IMP', 'inpatient encounter'],
  E: ['EMER', 'emergency'],
  O: ['AMB', 'ambulatory'],
  R: ['AMB', 'ambulatory'],
  C: ['AMB', 'ambulatory'],
  P: ['PRENC', 'pre-admission'],
  V: ['VR', 'virtual'],
  H: ['HH', 'home health'],
};
/** What an event says of the visit; the others leave it to the dates. */
const STATUSES: Readonly<Record<string, string>> = {
  A01: 'in-progress',
  A02: 'in-progress',
  A04: 'in-progress',
  A06: 'in-progress',
  A07: 'in-progress',
  A13: 'in-progress',
  A10: 'arrived',
  A03: 'finished',
  A05: 'planned',
  A14: 'planned',
  A15: 'planned',
  A16: 'in-progress',
  A11: 'cancelled',
  A27: 'cancelled',
  A38: 'cancelled',
};
const PARTICIPANTS: readonly (readonly [field: number, code: string, display: string])[] = [
  [7, 'ATND', 'attender'],
  [8, 'REF', 'referrer'],
  [9, 'CON', 'consultant'],
  [17, 'ADM', 'admitter'],
];

/** PV1 and PV2. Undefined where nothing tells the visit from the patient's other visits. */
export function encounter(
  pv1: Segment,
  pv2: Segment | undefined,
  account: Segment | undefined,
  patientId: string,
  event: string,
  sender: Sender,
): { resource: Resource; people: Resource[] } | undefined {
  const visit = identifier(pv1.at(19), sender) ?? (account && identifier(account.at(18), sender));
  const start = dateTime(pv1.get(44), sender);
  const end = dateTime(pv1.get(45), sender);
  if (!visit && !start) return undefined;
  const [code, display] = CLASSES[pv1.get(2) ?? ''] ?? [];
  const people: Resource[] = [];
  const participants = PARTICIPANTS.flatMap(([field, role, name]) =>
    pv1.repetitions(field).flatMap((xcn) => {
      const who = practitioner(xcn, sender);
      if (!who) return [];
      if (who.resource) people.push(who.resource);
      return [
        {
          type: [
            {
              coding: [
                {
                  system: `http://terminology.hl7.org/CodeSystem/v3-ParticipationType`,
                  code: role,
                  display: name,
                },
              ],
            },
          ],
          individual: who.reference,
        },
      ];
    }),
  );
  const place = [pv1.get(3, 4), pv1.get(3, 1), pv1.get(3, 2), pv1.get(3, 3)].filter(Boolean).join(', ');
  const reason = pv2 && concept(pv2.at(3));
  const admitSource = words(pv1.get(14), '0023');
  const discharge = words(pv1.get(36), '0112');
  const service = words(pv1.get(10), '0069');
  return {
    people,
    resource: {
      resourceType: 'Encounter',
      id: visit ? idOf('Encounter', visit.system, visit.value) : idOf('Encounter', patientId, start!),
      ...(visit && { identifier: [visit] }),
      status: STATUSES[event] ?? (end ? 'finished' : start ? 'in-progress' : 'unknown'),
      class: code
        ? { system: ACT, code, display }
        : { system: 'http://terminology.hl7.org/CodeSystem/v3-NullFlavor', code: 'UNK', display: 'unknown' },
      ...(service && { serviceType: service }),
      subject: { reference: `Patient/${patientId}` },
      ...listed('participant', participants),
      ...((start || end) && { period: { ...(start && { start }), ...(end && { end }) } }),
      ...listed('reasonCode', [reason]),
      ...((admitSource || discharge) && {
        hospitalization: {
          ...(admitSource && { admitSource }),
          ...(discharge && { dischargeDisposition: discharge }),
        },
      }),
      ...(place && { location: [{ location: { display: place } }] }),
    },
  };
}

/** A code of one of HL7's own tables. */
function words(code: string | undefined, table: string): object | undefined {
  if (!code) return undefined;
  return {
    ...(/^\S{1,3}$/.test(code) && {
      coding: [{ system: `http://terminology.hl7.org/CodeSystem/v2-${table}`, code }],
    }),
    text: code,
  };
}
