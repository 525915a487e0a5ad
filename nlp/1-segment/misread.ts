import { exactTitle, normalizeTitle, type Title, titleNames } from './titles.js';

const LENGTH_MIN = 7;
const LENGTH_MAX = 48;
/** Shorter titles have too many neighbours among other words. */
const KNOWN_MIN = 8;
const EDGE = 4;
/** So short a title is one only where a digit stands among its letters: `P1an`. */
const SHORT_MIN = 4;

/** Titles by their first letters and by their last ones, with their length: one letter amiss spares one of the two. */
let edges: Map<string, string[]> | undefined;

function byEdge(): Map<string, string[]> {
  if (edges) return edges;
  edges = new Map();
  for (const name of titleNames()) {
    if (name.length < KNOWN_MIN) continue;
    for (const key of [name.slice(0, EDGE), name.slice(-EDGE)]) {
      const there = edges.get(key);
      if (there) there.push(name);
      else edges.set(key, [name]);
    }
  }
  return edges;
}

const LOOKS = new Map([...'1li|!'].map((mark) => [mark, 'i']));
for (const [mark, letter] of ['0o', '5s', '8b', '3e', '4a', '6b', '9g', '$s', '@a', '€e'])
  LOOKS.set(mark!, letter!);

/** A title as a scanner may see it: what looks alike is one letter, and gaps within words are none. */
function skeletonOf(title: string): string {
  let letters = '';
  for (const mark of title.toLowerCase()) {
    const letter = LOOKS.get(mark) ?? mark;
    if (letter >= 'a' && letter <= 'z') letters += letter;
  }
  return letters.replaceAll('rn', 'm').replaceAll('vv', 'w').replaceAll('ci', 'd');
}

let skeletons: Map<string, string> | undefined;

function bySkeleton(): Map<string, string> {
  if (skeletons) return skeletons;
  skeletons = new Map();
  for (const name of titleNames()) if (name.length >= SHORT_MIN) skeletons.set(skeletonOf(name), name);
  return skeletons;
}

/**
 * The row for a title that was misspelt or misread by one letter (`Medicatons`, `FAMlLY HISTORY`, `A1lergies`,
 * `Farnily History`) or spaced out (`A L L E R G I E S`); undefined where none is that near.
 */
export function misreadTitle(title: string): Title | undefined {
  if (title.length < LENGTH_MIN || title.length > LENGTH_MAX) {
    if (title.length < SHORT_MIN || title.length > LENGTH_MAX || !/^[A-Za-z]+[015][a-z]+$/i.test(title))
      return undefined;
    const name = bySkeleton().get(skeletonOf(title));
    return name === undefined ? undefined : exactTitle(name);
  }
  if (title[1] === ' ' && /^\S(?: {1,3}\S)+$/.test(title)) {
    const words = title.split(/ {2,}/).map((word) => word.replaceAll(' ', ''));
    return exactTitle(words.join(' '));
  }
  const read = normalizeTitle(
    /\d/.test(title)
      ? title
          .replace(/(?<=[A-Za-z])[15](?=[A-Za-z])/g, (digit) => (digit === '1' ? 'l' : 's'))
          .replace(/(?<=[A-Za-z])0|0(?=[a-z])/g, 'o')
      : title,
  );
  if (read.includes('rn')) {
    const exact = exactTitle(read.replaceAll('rn', 'm'));
    if (exact) return exact;
  }
  if (read.length < KNOWN_MIN - 1) return undefined;
  const alike = bySkeleton().get(skeletonOf(title));
  if (alike !== undefined) return exactTitle(alike);
  const known = byEdge();
  const name = nearest(read, known.get(read.slice(0, EDGE))) ?? nearest(read, known.get(read.slice(-EDGE)));
  return name === undefined ? undefined : exactTitle(name);
}

function nearest(read: string, names: readonly string[] | undefined): string | undefined {
  return names?.find((name) => Math.abs(name.length - read.length) <= 1 && isNear(read, name));
}

/** The same, or one letter more, less or other, or two neighbours changed about; never the first letter. */
function isNear(a: string, b: string): boolean {
  if (a[0] !== b[0]) return false;
  let from = 1;
  while (from < a.length && a[from] === b[from]) from++;
  let [left, right] = [a.length, b.length];
  while (left > from && right > from && a[left - 1] === b[right - 1]) {
    left--;
    right--;
  }
  const [gone, come] = [left - from, right - from];
  if (gone <= 1 && come <= 1) return true;
  return gone === 2 && come === 2 && a[from] === b[from + 1] && a[from + 1] === b[from];
}
