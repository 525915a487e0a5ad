/**
 * `npm run train:phi -- CORPORA`: trains what tells parts of names of people, organisations and places from other
 * words with capitals, and writes `nlp/models/phi-names.bin.gz`. Positive are the marked places in our own notes
 * (`test/nlp/phi`), each note several times with other names in them; negative all else in them, our own notes
 * without personal data, and open case reports. The same input and code give the same bytes.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import {
  FEATURES_MAX,
  mayBeName,
  NAME_CLASSES,
  type NameModel,
  nameFeatures,
  PHI_MODEL,
  prepareNames,
  ROWS,
} from '../6-phi/name-model.js';
import { ruleFinds } from '../6-phi/names.js';
import { NUMBER_MODEL } from '../6-phi/number-model.js';
import { patternFinds } from '../6-phi/patterns.js';
import { GIVEN, phiRules, wordSet } from '../6-phi/rules.js';
import { isUnseenWord } from '../6-phi/unknown-names.js';
import { censusNames, clinicalSpans, wordsOf } from '../6-phi/words.js';
import { nlpRoot } from '../rules/load.js';
import {
  type Example,
  encodeWeights,
  type MarkedNote,
  readContexts,
  readMarked,
  trainRows,
} from './phi-examples.js';
import { trainNumberModel } from './phi-numbers.js';
import { seededRandom } from './random.js';

/** `term`: the name of somebody in a sign, test or instrument, which any other name could stand in, and is not personal. */
const CLASS_OF = new Map<string, number>([...NAME_CLASSES.map((name, i) => [name, i] as const), ['term', 0]]);
const KEPT_IN_NAMES = wordSet(
  `${phiRules.organisationEnds}|${phiRules.streets}|${phiRules.states}|${phiRules.stateNames}|${phiRules.particles}|of and the for in at north south east west apt unit suite box camp upper little great new san fort lake mount st saint route hwy dr mr mrs ms`,
);
const PLACE_ENDS = ['ville', 'ton', 'field', 'burg', 'ford', 'dale', 'wood', 'port', 'ham', 'stead'];
const ORDINARY_SHARE = 0.12;

/** Another name in the same dress. */
function otherName(word: string, kind: string, random: () => number, lists: Lists): string {
  const pick = (list: readonly string[], top: number) =>
    list[Math.floor(random() ** 1.5 * Math.min(top, list.length))]!;
  const lower = word.toLowerCase();
  const title = (w: string) => w.replace(/(^|[-' ])(\p{L})/gu, (_, a, b: string) => a + b.toUpperCase());
  let other: string;
  const isGiven = GIVEN.has(lower) || (censusNames().given.get(lower) ?? 9999) < 1500;
  if (kind === 'name' && isGiven) other = pick(lists.given, random() < 0.7 ? 1500 : 9000);
  else if (kind === 'address' && random() < 0.4)
    other = pick(lists.family, 4000) + PLACE_ENDS[Math.floor(random() * PLACE_ENDS.length)];
  else if (random() < ORDINARY_SHARE) other = pick(lists.ordinary, 9000);
  else other = pick(lists.family, 16_000);
  const odd = random();
  if (kind === 'name' && !isGiven) {
    if (odd < 0.06) other = `${other}-${pick(lists.family, 16_000)}`;
    else if (odd < 0.09) other = `o'${other}`;
    else if (odd < 0.1) other = `d'${other}`;
  }
  if (word === word.toUpperCase() && word.length > 1) return other.toUpperCase();
  if (word === lower) return other;
  return title(other);
}

interface Lists {
  readonly given: readonly string[];
  readonly family: readonly string[];
  readonly ordinary: readonly string[];
}

function lists(): Lists {
  const { given, family } = censusNames();
  return {
    given: [...new Set([...GIVEN, ...given.keys()])],
    family: [...family.keys()],
    // Names that are words of the language: what makes "Hope" and "Bloom" hard.
    ordinary: [...family.keys()].filter((name) => !isUnseenWord(name)),
  };
}

/** The note with other names in its places. */
function renamed(note: MarkedNote, random: () => number, names: Lists): MarkedNote {
  const places: { kind: string; start: number; end: number }[] = [];
  let text = '';
  let at = 0;
  const same = new Map<string, string>();
  for (const { kind, start, end } of note.places) {
    text += note.text.slice(at, start);
    const from = text.length;
    const words = note.text.slice(start, end);
    if (!CLASS_OF.has(kind)) text += words;
    else
      text += words.replace(/\p{L}[\p{L}\p{M}]{1,40}(?:['’-]\p{L}{2,40}){0,3}/gu, (word) => {
        if (KEPT_IN_NAMES.has(word.toLowerCase())) return word;
        if (kind === 'organisation' && (!isUnseenWord(word.toLowerCase()) ? random() < 0.6 : false))
          return word;
        if (random() < 0.15) return word;
        const key = word.toLowerCase();
        const other = same.get(key) ?? otherName(word, kind, random, names);
        same.set(key, other);
        return other;
      });
    places.push({ kind, start: from, end: text.length });
    at = end;
  }
  return { text: text + note.text.slice(at), places };
}

/** Examples of one text; words that only might be personal are left out. */
function examplesOf(
  note: MarkedNote,
  weight: number,
  out: Example[],
  doubtful: readonly { start: number; end: number }[] = [],
): void {
  const words = wordsOf(note.text);
  const prepared = prepareNames(note.text, words, clinicalSpans(note.text));
  const rows = new Int32Array(FEATURES_MAX);
  for (let at = 0; at < words.length; at++) {
    if (!mayBeName(prepared, at)) continue;
    const { start, end } = words[at]!;
    const overlaps = (span: { start: number; end: number }) => span.start < end && start < span.end;
    if (doubtful.some(overlaps)) continue;
    const place = note.places.find(overlaps);
    const label = place ? CLASS_OF.get(place.kind) : 0;
    if (label === undefined) continue;
    out.push({ rows: rows.slice(0, nameFeatures(prepared, at, rows)), label, weight });
  }
}

const COPIES = 40;
/** Copies weigh less than the words they are made of. */
const COPY_WEIGHT = 0.25;
const PLAIN_WEIGHT = 0.6;
const REPORT_WEIGHT = 0.3;

export function notesExamples(notes: readonly MarkedNote[], seed: number): Example[] {
  const out: Example[] = [];
  const random = seededRandom(seed);
  const names = lists();
  for (const note of notes) {
    examplesOf(note, 1, out);
    for (let copy = 0; copy < COPIES; copy++) {
      let other = renamed(note, random, names);
      // Notes all in capitals and all in small letters keep their places.
      const dress = random();
      if (dress < 0.06) {
        const text = other.text.toUpperCase();
        if (text.length === other.text.length) other = { text, places: other.places };
      } else if (dress < 0.09) {
        const text = other.text.toLowerCase();
        if (text.length === other.text.length) other = { text, places: other.places };
      }
      examplesOf(other, COPY_WEIGHT, out);
    }
  }
  return out;
}

/** Texts without marked places: our own notes and open case reports, with how much their words count. */
export function plainTexts(folder: string): { text: string; weight: number }[] {
  const own = join(nlpRoot(), '..', 'test', 'nlp');
  const rows = (file: string) =>
    (JSON.parse(readFileSync(join(own, file), 'utf8')) as { text: string }[]).map(({ text }) => text);
  const gold = readdirSync(join(own, 'gold'))
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .flatMap((file) =>
      readFileSync(join(own, 'gold', file), 'utf8')
        .replace(/\[\[([^|\]]+)\|[^\]]+\]\]/g, '$1')
        .split(/^=== .*$/m),
    );
  const reports = gunzipSync(readFileSync(join(folder, 'unlabelled', 'case-reports.jsonl.gz')))
    .toString('utf8')
    .trim()
    .split('\n')
    .slice(0, REPORTS)
    .map((line) => (JSON.parse(line) as { text: string }).text);
  const cases = readdirSync(join(folder, 'case-reports'))
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .map((file) => readFileSync(join(folder, 'case-reports', file), 'utf8'));
  return [
    ...[...rows('traps.json'), ...rows('facts.json'), ...gold].map((text) => ({
      text,
      weight: PLAIN_WEIGHT,
    })),
    ...[...reports, ...cases].map((text) => ({ text, weight: REPORT_WEIGHT })),
  ];
}
const REPORTS = 500;

/** Weights that tell names, from marked notes and from texts of which what the rules hide is doubtful, all else not personal. */
export function trainNameModel(
  notes: readonly MarkedNote[],
  plain: readonly { readonly text: string; readonly weight: number }[],
): NameModel {
  const examples = notesExamples(notes, 7);
  for (const { text, weight } of plain)
    examplesOf({ text, places: [] }, weight, examples, [...patternFinds(text), ...ruleFinds(text)]);
  return trainRows(examples, ROWS, NAME_CLASSES.length);
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const folder = process.argv[2];
  if (!folder || !existsSync(folder)) {
    process.stderr.write('usage: npm run train:phi -- CORPORA\n');
    process.exit(2);
  }
  const notes = [...readMarked(join(nlpRoot(), '..', 'test', 'nlp', 'phi', 'notes.txt')), ...readContexts()];
  const plain = plainTexts(folder);
  for (const [file, model] of [
    [PHI_MODEL, trainNameModel(notes, plain)],
    [NUMBER_MODEL, trainNumberModel(notes, plain)],
  ] as const) {
    const bytes = gzipSync(encodeWeights(model), { level: 9 });
    writeFileSync(join(nlpRoot(), 'models', file), bytes);
    process.stdout.write(`${file}: ${bytes.length} bytes\n`);
  }
}
