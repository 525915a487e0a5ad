import { Fault, invalid } from '../../core/fault.js';
import type { Resource } from '../../core/resource.js';
import { instant, type Sender } from '../hl7-values.js';
import { identifier } from './datatypes.js';
import { contents, document, reportDocument } from './document.js';
import { encounter } from './encounter.js';
import { allergy, diagnosis, procedure, type Subject } from './history.js';
import { immunization, medicationRequest } from './medication.js';
import type { Message, Segment } from './message.js';
import { type OrderGroup, observation, report } from './observation.js';
import { patient, personId, relatedPerson } from './people.js';

/** What a message says, as FHIR. */
export interface MappedMessage {
  readonly resources: readonly Resource[];
  /** Whether the message is about the person and the visit, so that what it says of them replaces what is known. */
  readonly authoritative: boolean;
  /** When the message was made (MSH-7), as a dateTime with an offset; UTC where it has none. */
  readonly saidAt: string | undefined;
}

/** Events that end one record in favour of another; MRG names the one that ends. */
const MERGES = new Set(['A18', 'A30', 'A34', 'A39', 'A40', 'A47']);

/**
 * Maps a message to the resources it speaks of, with ids that follow from identifiers, so that another message about
 * the same thing is another version of it. Reads segments rather than message types: ADT, ORU, MDM, VXU, RDE, and what
 * orders, schedules and charges carry of the same segments.
 * @throws Fault `unsupported` for a message about no patient (acknowledgements, queries, master files)
 */
export function mapMessage({ header, segments }: Message): MappedMessage {
  const sender: Sender = {
    facility: header.get(4, 2) ?? header.get(4) ?? header.get(3) ?? 'unknown',
    zone: zoneOf(header.get(7)),
  };
  const type = header.get(9, 1) ?? '';
  const event = header.get(9, 2) ?? segments.find(({ name }) => name === 'EVN')?.get(1) ?? '';
  const pid = segments.find(({ name }) => name === 'PID');
  if (!pid) {
    throw new Fault('unsupported', 'the message is about no patient', {
      at: 'PID',
      remedy: 'Messages of clinical records are read: ADT, ORU, MDM, VXU, RDE and the like.',
    });
  }
  const person = patient(pid, sender);
  if (person.identifier === undefined && person.name === undefined) {
    throw invalid('the patient has neither an identifier nor a name', 'PID-3');
  }
  const patientId = person.id!;
  const out = new Collected();
  out.add(event === 'A29' ? { ...person, active: false } : person);
  if (MERGES.has(event)) {
    for (const mrg of segments.filter(({ name }) => name === 'MRG')) out.add(merged(mrg, patientId, sender));
  }
  const pv1 = segments.find(({ name }) => name === 'PV1');
  const visit =
    pv1 &&
    encounter(
      pv1,
      segments.find(({ name }) => name === 'PV2'),
      pid,
      patientId,
      event,
      sender,
    );
  out.add(visit?.resource, ...(visit?.people ?? []));
  const subject: Subject = {
    patientId,
    encounterId: visit?.resource.id,
    sender,
    message: `${sender.facility} ${header.get(10) ?? ''} ${header.get(7) ?? ''}`,
  };
  for (const segment of segments) {
    if (segment.name === 'NK1') out.add(relatedPerson(segment, patientId, sender));
    else if (segment.name === 'AL1') out.add(allergy(segment, subject));
    else if (segment.name === 'DG1') out.add(diagnosis(segment, subject));
    else if (segment.name === 'PR1') {
      const done = procedure(segment, subject);
      out.add(done?.resource, ...(done?.people ?? []));
    }
  }
  addOrders(segments, subject, out);
  return {
    resources: out.resources(),
    authoritative: type === 'ADT',
    // Only compared with other messages of the same sender, so an offset that is assumed does no harm.
    saidAt: instant(header.get(7), { ...sender, zone: sender.zone ?? 'Z' }),
  };
}

/** The record that MRG-1 names, ended in favour of another. */
function merged(mrg: Segment, into: string, sender: Sender): Resource | undefined {
  const identifiers = mrg.repetitions(1).flatMap((cx) => identifier(cx, sender) ?? []);
  if (identifiers.length === 0) return undefined;
  const id = personId('Patient', identifiers, []);
  if (id === into) return undefined;
  return {
    resourceType: 'Patient',
    id,
    identifier: identifiers,
    active: false,
    link: [{ other: { reference: `Patient/${into}` }, type: 'replaced-by' }],
  };
}

function zoneOf(timestamp: string | undefined): string | undefined {
  const match = /([+-]\d{2})(\d{2})$/.exec(timestamp ?? '');
  return match ? `${match[1]}:${match[2]}` : undefined;
}

/** Walks orders and results: segments belong to the OBR, RXA, RXE or TXA before them, notes to the segment before. */
function addOrders(segments: readonly Segment[], subject: Subject, out: Collected): void {
  interface Obx {
    readonly segment: Segment;
    readonly notes: Segment[];
  }
  interface Open {
    readonly head: Segment;
    readonly orc: Segment | undefined;
    readonly obx: Obx[];
    readonly notes: Segment[];
    rxr: Segment | undefined;
    tq1: Segment | undefined;
  }
  const groups: Open[] = [];
  const loose: Obx[] = [];
  let orc: Segment | undefined;
  let open: Open | undefined;
  let notes: Segment[] | undefined;
  for (const segment of segments) {
    switch (segment.name) {
      case 'ORC':
        orc = segment;
        open = undefined;
        notes = undefined;
        break;
      case 'OBR':
      case 'RXA':
      case 'RXE':
      case 'RXO':
      case 'TXA':
        open = { head: segment, orc, obx: [], notes: [], rxr: undefined, tq1: undefined };
        groups.push(open);
        notes = open.notes;
        break;
      case 'RXR':
        if (open) open.rxr ??= segment;
        break;
      case 'TQ1':
        if (open) open.tq1 ??= segment;
        break;
      case 'OBX': {
        const obx: Obx = { segment, notes: [] };
        (open?.obx ?? loose).push(obx);
        notes = obx.notes;
        break;
      }
      case 'NTE':
        notes?.push(segment);
        break;
      case 'SPM':
        // What follows describes the specimen, not the patient.
        open = { head: segment, orc, obx: [], notes: [], rxr: undefined, tq1: undefined };
        notes = undefined;
        break;
    }
  }
  groups.forEach((group, ordinal) => {
    const { head } = group;
    if (head.name === 'OBR') {
      const found = report({ obr: head, ...group } as OrderGroup & { obr: Segment }, ordinal, subject);
      if (!found) return;
      out.add(...found.resources, ...found.people);
      const files = contents(group.obx.map(({ segment }) => segment).filter((s) => s.get(2) === 'ED'));
      out.add(reportDocument(found, files, subject));
    } else if (head.name === 'TXA') {
      const found = document(
        head,
        group.obx.map(({ segment }) => segment),
        subject,
      );
      out.add(found?.resource, ...(found?.people ?? []));
    } else if (head.name === 'RXA') {
      const found = immunization({ rxa: head, ...group }, subject);
      out.add(found?.resource, ...(found?.people ?? []));
    } else {
      // The pharmacy's words (RXE) stand for the same order as those it answers (RXO).
      const answered =
        head.name === 'RXO' && groups.some((g) => g.head.name === 'RXE' && g.orc === group.orc);
      if (answered) return;
      const found = medicationRequest({ rx: head, ...group }, ordinal, subject);
      out.add(found?.resource, ...(found?.people ?? []));
      loose.push(...group.obx);
    }
  });
  loose.forEach(({ segment, notes: said }, ordinal) => {
    const order = { key: subject.message, effective: undefined, category: 'exam' };
    if (segment.get(2) !== 'ED') out.add(observation(segment, said, order, ordinal, subject));
  });
}

/** Resources by type and id; the first of a kind stays. */
class Collected {
  readonly #byId = new Map<string, Resource>();

  add(...resources: readonly (Resource | undefined)[]): void {
    for (const resource of resources) {
      if (!resource) continue;
      const key = `${resource.resourceType}/${resource.id}`;
      if (!this.#byId.has(key)) this.#byId.set(key, resource);
    }
  }

  resources(): Resource[] {
    return [...this.#byId.values()];
  }
}
