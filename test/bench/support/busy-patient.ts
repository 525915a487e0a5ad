import type { Resource } from '../../../src/core/resource.js';
import { recordsOf } from './records.js';

const VISITS = 40;
/** Of so many records that notes may repeat, one was said in a note too. */
const TOLD_AGAIN = 4;
const OURS = 'https://cenote.health/fhir/StructureDefinition/';
const REPEATED = new Set(['Condition', 'MedicationRequest']);

/**
 * One made-up patient with `events` events over some twelve years: the records of many patients, all said to be of one,
 * and among them facts as notes tell them, each of which repeats a record of its day. The Patient comes first and is
 * not counted.
 */
export function busyPatient(events: number): { patient: string; resources: Resource[] } {
  const [first] = recordsOf(1, 1);
  const patient = first!.id!;
  const resources: Resource[] = [];
  let repeatable = 0;
  for (let n = 1; resources.length < events; n++) {
    const [person, ...records] = recordsOf(n, VISITS);
    const own = JSON.parse(JSON.stringify(records).replaceAll(person!.id!, patient)) as Resource[];
    for (const record of own) {
      resources.push(record);
      if (REPEATED.has(record.resourceType) && ++repeatable % TOLD_AGAIN === 0)
        resources.push(toldIn(record, String(n)));
    }
  }
  return { patient, resources: [first!, ...resources.slice(0, events)] };
}

/** The same fact, as it is read out of a note. */
function toldIn(record: Resource, note: string): Resource {
  return {
    ...record,
    id: `told-${record.id!}`,
    extension: [
      {
        url: `${OURS}derived-from-document`,
        valueReference: { reference: `DocumentReference/note-${note}` },
      },
      {
        url: `${OURS}source-span`,
        extension: [
          { url: 'start', valueInteger: 120 },
          { url: 'end', valueInteger: 140 },
          { url: 'text', valueString: 'as the note has it' },
        ],
      },
      { url: `${OURS}derivation-score`, valueDecimal: 0.93 },
    ],
  };
}
