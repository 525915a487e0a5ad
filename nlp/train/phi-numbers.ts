import {
  labelsOf,
  NUMBER_CLASSES,
  NUMBER_FEATURES_MAX,
  NUMBER_ROWS,
  type NumberModel,
  numberFeatures,
  piecesOf,
} from '../6-phi/number-model.js';
import { patternFinds } from '../6-phi/patterns.js';
import { type Example, type MarkedNote, trainRows } from './phi-examples.js';
import { seededRandom } from './random.js';

/** The class of each kind of personal data that holds digits; -1: a word with digits in it teaches nothing. */
function classOf(kind: string): number {
  const at = (NUMBER_CLASSES as readonly string[]).indexOf(kind);
  if (at > 0) return at;
  if (kind === 'fax') return NUMBER_CLASSES.indexOf('phone');
  return /^(?:name|term|organisation|age|email|url|ip|\?)/.test(kind) ? -1 : NUMBER_CLASSES.indexOf('id');
}

/** Other digits in the places of a note; dates stay dates. */
function renumbered(note: MarkedNote, random: () => number): MarkedNote {
  const upTo = (most: number) => 1 + Math.floor(random() * most);
  const places: { kind: string; start: number; end: number }[] = [];
  let text = '';
  let at = 0;
  const padded = (like: string, value: number) =>
    like.length > 1 && like.startsWith('0') ? String(value).padStart(2, '0') : String(value);
  for (const { kind, start, end } of note.places) {
    text += note.text.slice(at, start);
    const from = text.length;
    let words = note.text.slice(start, end);
    if (kind === 'date')
      words = words
        .replace(/(?<!\d)(\d{1,2})([/.-])(\d{1,2})(?!\d)/g, (_, a: string, sign: string, b: string) =>
          Number(a) > 12 || (Number(b) <= 12 && random() < 0.3)
            ? padded(a, upTo(31)) + sign + padded(b, upTo(12))
            : padded(a, upTo(12)) + sign + padded(b, upTo(31)),
        )
        .replace(/(?<!\d)(?:19|20)\d\d(?!\d)/g, () => String(1930 + upTo(95)));
    else if (classOf(kind) > 0)
      words = words
        .replace(/\d/g, () => String(Math.floor(random() * 10)))
        .replace(/(?<=\d|\b)[A-Z](?=\d|[A-Z]{0,2}\d|\b-)/g, (letter) =>
          random() < 0.5 ? letter : String.fromCharCode(64 + upTo(26)),
        );
    text += words;
    places.push({ kind, start: from, end: text.length });
    at = end;
  }
  return { text: text + note.text.slice(at), places };
}

function examplesOf(
  note: MarkedNote,
  weight: number,
  out: Example[],
  doubtful: readonly { start: number; end: number }[] = [],
): void {
  const pieces = piecesOf(note.text);
  const labels = labelsOf(note.text, pieces);
  const rows = new Int32Array(NUMBER_FEATURES_MAX);
  pieces.forEach(({ start, end, digits }, at) => {
    if (digits === 0) return;
    const overlaps = (span: { start: number; end: number }) => span.start < end && start < span.end;
    if (doubtful.some(overlaps)) return;
    const place = note.places.find(overlaps);
    const label = place ? classOf(place.kind) : 0;
    if (label < 0) return;
    out.push({ rows: rows.slice(0, numberFeatures(note.text, pieces, labels, at, rows)), label, weight });
  });
}

const COPIES = 12;
const COPY_WEIGHT = 0.4;

/** Weights that tell personal numbers, from marked notes and from texts without personal data. */
export function trainNumberModel(
  notes: readonly MarkedNote[],
  plain: readonly { readonly text: string; readonly weight: number }[],
): NumberModel {
  const out: Example[] = [];
  const random = seededRandom(11);
  for (const note of notes) {
    examplesOf(note, 1, out);
    for (let copy = 0; copy < COPIES; copy++) examplesOf(renumbered(note, random), COPY_WEIGHT, out);
  }
  for (const { text, weight } of plain)
    examplesOf({ text, places: [] }, weight, out, [...patternFinds(text)]);
  return trainRows(out, NUMBER_ROWS, NUMBER_CLASSES.length);
}
