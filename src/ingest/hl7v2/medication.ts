import type { Resource } from '../../core/resource.js';
import { date, dateTime, decimal, idOf } from '../hl7-values.js';
import { concept, entityIdentifier, quantity } from './datatypes.js';
import { conceptKey, encounterOf, type Subject, subjectOf } from './history.js';
import type { Segment } from './message.js';
import { listed, practitioner } from './people.js';

/** What a segment yields, and who it names. */
export interface Mapped {
  readonly resource: Resource;
  readonly people: readonly Resource[];
}

/** ORC-1, table 0119: what the order control says of the prescription. */
const ORDER_STATUSES: Readonly<Record<string, string>> = {
  CA: 'cancelled',
  OC: 'cancelled',
  CR: 'cancelled',
  DC: 'stopped',
  OD: 'stopped',
  DR: 'stopped',
  HD: 'on-hold',
  OH: 'on-hold',
};
/** ORC-5, table 0038. */
const STATUSES: Readonly<Record<string, string>> = {
  CA: 'cancelled',
  DC: 'stopped',
  HD: 'on-hold',
  CM: 'completed',
  ER: 'entered-in-error',
};

/** An order for a drug: RXE (as the pharmacy has it), else RXO (as it was asked for), with its route and timing. */
export function medicationRequest(
  order: {
    orc: Segment | undefined;
    rx: Segment;
    rxr: Segment | undefined;
    tq1: Segment | undefined;
    notes: readonly Segment[];
  },
  ordinal: number,
  subject: Subject,
): Mapped | undefined {
  const { orc, rx, rxr, tq1 } = order;
  const { sender } = subject;
  const encoded = rx.name === 'RXE';
  const medication = concept(rx.at(encoded ? 2 : 1));
  if (!medication) return undefined;
  const placer = orc && entityIdentifier(orc.at(2), sender);
  const filler = orc && entityIdentifier(orc.at(3), sender);
  const number = placer ?? filler;
  const requester =
    (orc && practitioner(orc.at(12), sender)) ?? (encoded ? practitioner(rx.at(13), sender) : undefined);
  const authored = orc && dateTime(orc.get(9), sender);
  const [amount, unit] = encoded ? [3, 5] : [2, 4];
  const dose = decimal(rx.get(amount));
  const instructions = (encoded ? [rx.text(7), rx.text(21)] : [rx.text(7), rx.text(6)])
    .map(clean)
    .filter(Boolean)
    .join('\n');
  const timing = tq1 && [clean(tq1.text(3)), clean(tq1.text(11))].filter(Boolean).join(', ');
  const route = rxr && concept(rxr.at(1));
  const dispensed = decimal(rx.get(encoded ? 10 : 11));
  const refills = Number(rx.get(encoded ? 12 : 13) ?? Number.NaN);
  const note = order.notes.map((nte) => nte.text(3)).filter((text) => text !== undefined);
  const text = [instructions, timing].filter(Boolean).join('; ');
  const dosage = {
    ...(text && { text }),
    ...(route && { route }),
    ...(dose !== undefined && { doseAndRate: [{ doseQuantity: quantity(dose, rx.at(unit)) }] }),
  };
  return {
    people: requester?.resource ? [requester.resource] : [],
    resource: {
      resourceType: 'MedicationRequest',
      id: number
        ? idOf('MedicationRequest', number.system, number.value, conceptKey(medication))
        : idOf('MedicationRequest', subject.patientId, subject.message, String(ordinal)),
      ...listed('identifier', [placer, filler]),
      status: ORDER_STATUSES[orc?.get(1) ?? ''] ?? STATUSES[orc?.get(5) ?? ''] ?? 'active',
      intent: 'order',
      medicationCodeableConcept: medication,
      subject: subjectOf(subject),
      ...encounterOf(subject),
      ...(authored && { authoredOn: authored }),
      ...(requester && { requester: requester.reference }),
      ...(note.length > 0 && { note: [{ text: note.join('\n') }] }),
      ...(Object.keys(dosage).length > 0 && { dosageInstruction: [dosage] }),
      ...(dispensed !== undefined && {
        dispenseRequest: {
          ...(Number.isInteger(refills) && refills >= 0 && { numberOfRepeatsAllowed: refills }),
          quantity: quantity(dispensed, rx.at(encoded ? 11 : 12)),
        },
      }),
    },
  };
}

/** The words of a field of codes with texts: `^1 tablet daily` is its text. */
function clean(text: string | undefined): string | undefined {
  return (
    text
      ?.split('\n')
      .map((line) => line.replace(/^\^+|\^.*$/g, '').trim())
      .filter(Boolean)
      .join(' ') || undefined
  );
}

/** RXA-20, table 0322. */
const IMMUNIZATION_STATUSES: Readonly<Record<string, string>> = {
  CP: 'completed',
  PA: 'completed',
  RE: 'not-done',
  NA: 'not-done',
};

/** RXA and RXR of a vaccination. Undefined for "no vaccine administered" (CVX 998). */
export function immunization(
  order: { orc: Segment | undefined; rxa: Segment; rxr: Segment | undefined; notes: readonly Segment[] },
  subject: Subject,
): Mapped | undefined {
  const { orc, rxa, rxr } = order;
  const { sender } = subject;
  const vaccine = concept(rxa.at(5));
  if (!vaccine || rxa.get(5) === '998') return undefined;
  const occurred = dateTime(rxa.get(3), sender);
  const number = orc && (entityIdentifier(orc.at(3), sender) ?? entityIdentifier(orc.at(2), sender));
  const status =
    rxa.get(21) === 'D' ? 'entered-in-error' : (IMMUNIZATION_STATUSES[rxa.get(20) ?? ''] ?? 'completed');
  const dose = decimal(rxa.get(6));
  const performer = practitioner(rxa.at(10), sender);
  const manufacturer = rxa.get(17, 2) ?? rxa.get(17);
  const expires = date(rxa.get(16), sender);
  const refusal = concept(rxa.at(18));
  const [route, site] = [rxr && concept(rxr.at(1)), rxr && concept(rxr.at(2))];
  const source = rxa.get(9);
  const note = order.notes.map((nte) => nte.text(3)).filter((text) => text !== undefined);
  return {
    people: performer?.resource ? [performer.resource] : [],
    resource: {
      resourceType: 'Immunization',
      id: number
        ? idOf('Immunization', number.system, number.value, conceptKey(vaccine))
        : idOf('Immunization', subject.patientId, conceptKey(vaccine), occurred ?? ''),
      ...listed('identifier', [number]),
      status,
      ...(status === 'not-done' && refusal && { statusReason: refusal }),
      vaccineCode: vaccine,
      patient: { reference: `Patient/${subject.patientId}` },
      ...encounterOf(subject),
      ...(occurred ? { occurrenceDateTime: occurred } : { occurrenceString: 'unknown' }),
      ...(source && { primarySource: source === '00' }),
      ...(manufacturer && { manufacturer: { display: manufacturer } }),
      ...(rxa.get(15) && { lotNumber: rxa.get(15) }),
      ...(expires && { expirationDate: expires }),
      ...(site && { site }),
      ...(route && { route }),
      // 999 says that the amount is not known.
      ...(dose !== undefined &&
        Number(dose) !== 999 &&
        Number(dose) > 0 && { doseQuantity: quantity(dose, rxa.at(7)) }),
      ...(performer && { performer: [{ actor: performer.reference }] }),
      ...(note.length > 0 && { note: [{ text: note.join('\n') }] }),
    },
  };
}
