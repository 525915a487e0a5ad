import { termText } from '../core/blind.js';
import { isFhirId, uuidV5 } from '../core/ids.js';
import type { Coding, Resource } from '../core/resource.js';

/** A note before it is a DocumentReference. Every field but the text may be missing. */
export interface Note {
  readonly id?: string;
  readonly text: string;
  /** `Patient/{id}`, an id, or an identifier (`system|value` or the value). */
  readonly patient?: string;
  /** FHIR date, dateTime or instant. */
  readonly date?: string;
  /** LOINC code or the name of a kind of note. */
  readonly type?: string;
  readonly author?: string;
  /** `Encounter/{id}` or an id. */
  readonly encounter?: string;
}

const LOINC = 'http://loinc.org';
const NOTE_NAMESPACE = '0d2a7c4e-6a3b-4f0e-8f0f-5b1f6a1f0c55';

/** LOINC document types by the names people write, matched on the words alone. */
const TYPES: readonly {
  readonly words: readonly string[];
  readonly code: string;
  readonly display: string;
}[] = [
  { words: ['discharge'], code: '18842-5', display: 'Discharge summary' },
  { words: ['history', 'physical'], code: '34117-2', display: 'History and physical note' },
  { words: ['h&p'], code: '34117-2', display: 'History and physical note' },
  { words: ['admission'], code: '34117-2', display: 'History and physical note' },
  { words: ['consult'], code: '11488-4', display: 'Consult note' },
  { words: ['operative'], code: '11504-8', display: 'Surgical operation note' },
  { words: ['surgery'], code: '11504-8', display: 'Surgical operation note' },
  { words: ['procedure'], code: '28570-0', display: 'Procedure note' },
  { words: ['radiology'], code: '18748-4', display: 'Diagnostic imaging study' },
  { words: ['imaging'], code: '18748-4', display: 'Diagnostic imaging study' },
  { words: ['pathology'], code: '11526-1', display: 'Pathology study' },
  { words: ['emergency'], code: '34111-5', display: 'Emergency department note' },
  { words: ['nursing'], code: '34746-8', display: 'Nurse note' },
  { words: ['telephone'], code: '34748-4', display: 'Telephone encounter note' },
  { words: ['progress'], code: '11506-3', display: 'Progress note' },
  { words: ['office', 'visit'], code: '11506-3', display: 'Progress note' },
  { words: ['clinic'], code: '11506-3', display: 'Progress note' },
];

/** The LOINC type of a note from its code or name; undefined where neither is known. */
export function noteType(type: string | undefined): Coding | undefined {
  if (!type) return undefined;
  if (/^\d{1,7}-\d$/.test(type)) return { system: LOINC, code: type };
  const words = type.toLowerCase();
  const row = TYPES.find((t) => t.words.every((w) => words.includes(w)));
  return row && { system: LOINC, code: row.code, display: row.display };
}

/** Id of a note without a usable one: the same place in the same input gives the same id again. */
export function noteId(origin: string, id: string | undefined): string {
  if (id !== undefined && isFhirId(id)) return id;
  return uuidV5(NOTE_NAMESPACE, termText(origin, id ?? ''));
}

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** Writes `2024-03-01 10:30`, `03/01/2024` and the like as a FHIR date; undefined where it is none. */
export function noteDate(text: string | undefined): string | undefined {
  const t = text?.trim();
  if (!t) return undefined;
  const iso =
    /^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2}:\d{2})(:\d{2}(?:\.\d+)?)?\s*(Z|[+-]\d{2}:?\d{2})?)?)?)?$/i.exec(
      t,
    );
  if (iso) {
    const [, y, m, d, hm, s, zone] = iso;
    const pad = (x: string) => x.padStart(2, '0');
    if (!m) return y;
    if (!d) return valid(`${y}-${pad(m)}`);
    const day = valid(`${y}-${pad(m)}-${pad(d)}`);
    if (!day || !hm || !zone) return day;
    const offset =
      zone.toUpperCase() === 'Z' ? 'Z' : zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
    return `${day}T${hm.padStart(5, '0')}${s ?? ':00'}${offset}`;
  }
  const compact = /^(\d{4})(\d{2})(\d{2})$/.exec(t);
  if (compact) return valid(`${compact[1]}-${compact[2]}-${compact[3]}`);
  const us = /^(\d{1,2})\/(\d{1,2})\/(\d{4})$/.exec(t);
  if (us) return valid(`${us[3]}-${us[1]!.padStart(2, '0')}-${us[2]!.padStart(2, '0')}`);
  return undefined;
}

function valid(date: string): string | undefined {
  const full = date.length === 7 ? `${date}-01` : date;
  const parsed = new Date(`${full}T00:00:00Z`);
  return Number.isNaN(parsed.getTime()) || parsed.toISOString().slice(0, 10) !== full ? undefined : date;
}

/**
 * The DocumentReference of a note, its text inline. `subject` and `encounter` are resolved references.
 * A date without a time is no instant, so it stands in `context.period` and not in `date`.
 */
export function documentReference(
  note: Note,
  id: string,
  references: { subject?: string; encounter?: string },
): Resource {
  const coding = noteType(note.type);
  const date = noteDate(note.date);
  const context = {
    ...(references.encounter && { encounter: [{ reference: references.encounter }] }),
    ...(date && { period: { start: date } }),
  };
  return {
    resourceType: 'DocumentReference',
    id,
    status: 'current',
    ...((coding || note.type) && {
      type: {
        ...(coding && { coding: [coding] }),
        ...(note.type && note.type !== coding?.code && { text: note.type }),
      },
    }),
    ...(references.subject && { subject: { reference: references.subject } }),
    ...(date && INSTANT.test(date) && { date }),
    ...(note.author && { author: [{ display: note.author }] }),
    content: [
      {
        attachment: {
          contentType: 'text/plain; charset=utf-8',
          data: Buffer.from(note.text, 'utf8').toString('base64'),
        },
      },
    ],
    ...(Object.keys(context).length > 0 && { context }),
  };
}
