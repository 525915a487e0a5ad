/**
 * The tagger's arithmetic, in AssemblyScript: sums of int8 weights and linear-chain models over them, eight or four
 * numbers at a time. It owns no memory: the host (`../2-mention/kernel.ts`) lays out tables and scratch space and says
 * where they are. What it computes is described by `contextFeatures`, `hintsFrom` and `Lattice`, which training
 * uses; a test holds both against each other.
 */

/** Columns of a row of weights: a multiple of 4 for each model, 32 in all. */
const ROW_BYTES: usize = 32;
/** Sums of one entry, 16 bits a column. */
const ENTRY_BYTES: usize = 64;
/** Of a far word, the columns of the last model only. */
const FAR_BYTES: usize = 32;
/** Places in the window that a word has sums for. */
const OFFSETS: i32 = 5;
const REACH: i32 = 2;
const FAR_LEFT: i32 = 6;
const FAR_RIGHT: i32 = 5;
/** Places before and after the sentence that the windows reach. */
const MARGIN: i32 = 7;
/** A word: sums of its five places, of far before and far after, then 16 numbers for conjunctions. */
const FAR_BEFORE: usize = 5 * 64;
const FAR_AFTER: usize = FAR_BEFORE + 32;
const JOINTS: usize = FAR_AFTER + 32;
const WORD_BYTES: usize = JOINTS + 64;
/** Numbers of a word for conjunctions, in the order of `JOINT`, then its key in phrases and its shape. */
const LEFT_WORD: usize = JOINTS;
const WORD: usize = JOINTS + 4;
const LEFT_OF_GAP: usize = JOINTS + 8;
const LEFT_CLUSTER: usize = JOINTS + 12;
const CLUSTER: usize = JOINTS + 16;
const LEFT_COARSE: usize = JOINTS + 20;
const LEFT_SHAPE: usize = JOINTS + 24;
const SHAPE: usize = JOINTS + 28;
const COARSE: usize = JOINTS + 32;
const SECOND_WORD: usize = JOINTS + 36;
const SECOND_CLUSTER: usize = JOINTS + 40;
const SECOND_COARSE: usize = JOINTS + 44;
const SECOND_SHAPE: usize = JOINTS + 48;
const KEY: usize = JOINTS + 52;
const BARE_SHAPE: usize = JOINTS + 56;
const NO_KEY: i32 = -1;

/** Of a token its pairs of neighbours that the filter lets pass: feature and place of sums, and room for one more. */
const LIKELY_BYTES: usize = 9 * 8;

const MAX_PHRASE_WORDS: i32 = 8;
const KINDS: i32 = 16;
/** Marks of phrases with their sums that are kept; a power of two, and more of it free than taken. */
const MARK_SLOTS: i32 = 16384;
const MARKS_MAX: i32 = 8192;
const MARK_BYTES: usize = 3 * 64;

const BEGIN: i32 = 1;
const INSIDE: i32 = 2;
const END: i32 = 3;
const WHOLE: i32 = 4;

/** Of a model: where its columns begin in an entry, labels, their number rounded up to 4, and its tables. */
const MODEL_COLUMN: usize = 0;
const MODEL_LABELS: usize = 4;
const MODEL_WIDTH: usize = 8;
const MODEL_UNIT: usize = 12;
/** Per label, in this order: bias, start score, e to the power of it, then transitions. Rows of 12 numbers. */
const MODEL_BIAS: usize = 16;
const MODEL_START: usize = MODEL_BIAS + 48;
const MODEL_EXP_START: usize = MODEL_START + 48;
/** from × to, to × from; the same as powers of e. */
const MODEL_TRANSITIONS: usize = MODEL_EXP_START + 48;
const MODEL_EXP_FROM: usize = MODEL_TRANSITIONS + 12 * 48;
const MODEL_EXP_TO: usize = MODEL_EXP_FROM + 12 * 48;
const MODEL_BYTES: usize = MODEL_EXP_TO + 12 * 48;

/** A helper this sure that a token is nothing gives no hint. */
const HINT_SILENCE: f32 = 0.95;
const HINT_LEVELS: i32 = 5;
/** A little less than one half, for rounding. */
const SURE_OF_NOTHING: f32 = 0.49;

let slots: usize = 0;
let slotMask: i32 = 0;
let rows: usize = 0;
let filter: usize = 0;
let filterMask: i32 = 0;
let phraseKeys: usize = 0;
let phraseKinds: usize = 0;
let phraseMask: i32 = 0;
let models: usize = 0;
let helpers: i32 = 0;
/** Entries that the host numbers: nothing, hints, drug marks and kinds of sentences, with their sums. */
let entries: usize = 0;
/** Place in `entries` of the hints: own, next, previous for each. */
let hintEntries: usize = 0;
let markSlots: usize = 0;
let markSums: usize = 0;
let markCount: i32 = 0;
let words: usize = 0;
/** Scratch: see `place`. */
let placeAt: usize = 0;
let sumAt: usize = 0;
let markAt: usize = 0;
let chanceAt: usize = 0;
let powerAt: usize = 0;
let betaAt: usize = 0;
let pathAt: usize = 0;
let backAt: usize = 0;
let featureAt: usize = 0;
let likelyAt: usize = 0;
let chanceStride: usize = 0;

/** Where the tables are. */
export function setTables(
  slotsAt: usize,
  slotMaskIs: i32,
  rowsAt: usize,
  filterAt: usize,
  filterMaskIs: i32,
  phraseKeysAt: usize,
  phraseKindsAt: usize,
  phraseMaskIs: i32,
  modelsAt: usize,
  helpersAre: i32,
): void {
  slots = slotsAt;
  slotMask = slotMaskIs;
  rows = rowsAt;
  filter = filterAt;
  filterMask = filterMaskIs;
  phraseKeys = phraseKeysAt;
  phraseKinds = phraseKindsAt;
  phraseMask = phraseMaskIs;
  models = modelsAt;
  helpers = helpersAre;
}

/** Where sums and scratch space are; `tokens` is the length of the longest sentence. */
export function setScratch(
  entriesAt: usize,
  hintsAt: usize,
  marksAt: usize,
  scratch: usize,
  wordsAt: usize,
  tokens: i32,
): void {
  entries = entriesAt;
  hintEntries = hintsAt;
  markSlots = marksAt;
  markSums = marksAt + <usize>MARK_SLOTS * 8;
  // Another kernel may have had this place before.
  memory.fill(markSlots, 0, (<usize>MARK_SLOTS) << 3);
  markCount = 0;
  words = wordsAt;
  const n = <usize>tokens;
  placeAt = scratch;
  markAt = placeAt + (n + 2 * <usize>MARGIN) * 4;
  sumAt = (markAt + n * 4 + 15) & ~15;
  chanceStride = n * 48;
  chanceAt = sumAt + n * ENTRY_BYTES;
  powerAt = chanceAt + chanceStride * 4;
  betaAt = powerAt + n * 48;
  backAt = betaAt + n * 48;
  pathAt = backAt + n * 48;
  likelyAt = (pathAt + n + 15) & ~15;
  featureAt = likelyAt + n * LIKELY_BYTES;
}

/** Bytes of scratch space for sentences of so many tokens and so many features of a word. */
export function scratchBytes(tokens: i32, features: i32): usize {
  const n = <usize>tokens;
  return (
    (n + 2 * <usize>MARGIN) * 4 +
    n * 4 +
    n * ENTRY_BYTES +
    n * 48 * 7 +
    n +
    n * LIKELY_BYTES +
    <usize>features * 4 +
    64
  );
}

export function markBytes(): usize {
  return <usize>MARK_SLOTS * 8 + <usize>MARKS_MAX * MARK_BYTES;
}
export function wordBytes(): usize {
  return WORD_BYTES;
}
export function modelBytes(): usize {
  return MODEL_BYTES;
}
/** Where the host writes the places of a sentence's words, `MARGIN` of them before the first and after the last. */
export function placesAt(): usize {
  return placeAt;
}
/** Where it writes features. */
export function featuresAt(): usize {
  return featureAt;
}
/** Where it reads probabilities of the model last run, tokens × 12, and labels, a byte a token. */
export function chancesAt(model: i32): usize {
  return chanceAt + chanceStride * <usize>model;
}
export function labelsAt(): usize {
  return pathAt;
}

function finish(value: i32): i32 {
  let h = value;
  h ^= h >>> 16;
  h *= 0x85ebca6b;
  h ^= h >>> 13;
  h *= 0xc2b2ae35;
  h ^= h >>> 16;
  return h;
}
function mixFirst(a: i32): i32 {
  return a * 0x9e3779b1;
}
function mixSecond(b: i32): i32 {
  return (b + 0x7f4a7c15) * 0x85ebca77;
}
function mix(a: i32, b: i32): i32 {
  return finish(mixFirst(a) ^ mixSecond(b));
}

/** Address of a feature's row, or 0. */
function findRow(feature: i32): usize {
  const bits = feature * 0x9e3779b1;
  if (((load<i32>(filter + ((<usize>(bits & filterMask)) << 2)) >>> (bits >>> 27)) & 1) === 0) return 0;
  let slot = feature & slotMask;
  while (true) {
    const at = slots + ((<usize>slot) << 3);
    const key = load<i32>(at);
    if (key === 0) return 0;
    if (key === feature) return rows + <usize>load<i32>(at, 4) * ROW_BYTES;
    slot = (slot + 1) & slotMask;
  }
}

function addRow(row: usize, to: usize): void {
  const low = v128.load(row);
  const high = v128.load(row, 16);
  v128.store(to, i16x8.add(v128.load(to), i16x8.extend_low_i8x16_s(low)));
  v128.store(to, i16x8.add(v128.load(to, 16), i16x8.extend_high_i8x16_s(low)), 16);
  v128.store(to, i16x8.add(v128.load(to, 32), i16x8.extend_low_i8x16_s(high)), 32);
  v128.store(to, i16x8.add(v128.load(to, 48), i16x8.extend_high_i8x16_s(high)), 48);
}

function addEntry(from: usize, to: usize): void {
  v128.store(to, i16x8.add(v128.load(to), v128.load(from)));
  v128.store(to, i16x8.add(v128.load(to, 16), v128.load(from, 16)), 16);
  v128.store(to, i16x8.add(v128.load(to, 32), v128.load(from, 32)), 32);
  v128.store(to, i16x8.add(v128.load(to, 48), v128.load(from, 48)), 48);
}

function addFeature(feature: i32, to: usize): void {
  const row = findRow(feature);
  if (row !== 0) addRow(row, to);
}

/** Writes the sum of the rows of `count` features at `features` to an entry at `to`. */
function sumInto(features: usize, count: i32, to: usize): void {
  memory.fill(to, 0, ENTRY_BYTES);
  for (let i = 0; i < count; i++) addFeature(load<i32>(features + ((<usize>i) << 2)), to);
}

/** Sums the first features of the scratch space as an entry. */
export function sumEntry(entry: i32, count: i32): void {
  sumInto(featureAt, count, entries + <usize>entry * ENTRY_BYTES);
}

/**
 * Learns a word: its features stand in the scratch space, those of each place after the others, then one for far
 * before and one for far after; its numbers for conjunctions are written by the host.
 */
export function learn(place: i32, n0: i32, n1: i32, n2: i32, n3: i32, n4: i32): void {
  const word = words + <usize>place * WORD_BYTES;
  let at = featureAt;
  sumInto(at, n0, word);
  at += (<usize>n0) << 2;
  sumInto(at, n1, word + 64);
  at += (<usize>n1) << 2;
  sumInto(at, n2, word + 128);
  at += (<usize>n2) << 2;
  sumInto(at, n3, word + 192);
  at += (<usize>n3) << 2;
  sumInto(at, n4, word + 256);
  at += (<usize>n4) << 2;
  far(load<i32>(at), word + FAR_BEFORE);
  far(load<i32>(at, 4), word + FAR_AFTER);
}

function far(feature: i32, to: usize): void {
  const row = findRow(feature);
  if (row === 0) {
    memory.fill(to, 0, FAR_BYTES);
    return;
  }
  const low = v128.load(row);
  v128.store(to, i16x8.extend_low_i8x16_s(low));
  v128.store(to, i16x8.extend_high_i8x16_s(low), 16);
}

/** Numbers of a word for conjunctions are at this address. */
export function jointsAt(place: i32): usize {
  return words + <usize>place * WORD_BYTES + JOINTS;
}

function wordOf(t: i32): usize {
  return words + <usize>load<i32>(placeAt + ((<usize>(t + MARGIN)) << 2)) * WORD_BYTES;
}

/** Sums of what the words of the window and the kind of the sentence bring to each token. */
function sumWords(length: i32, kind: i32): void {
  const common = entries + <usize>kind * ENTRY_BYTES;
  const c0 = v128.load(common);
  const c1 = v128.load(common, 16);
  const c2 = v128.load(common, 32);
  const c3 = v128.load(common, 48);
  let f0 = i16x8.splat(0);
  let f1 = f0;
  // The far words of the token before the first, from which those of each token follow.
  for (let i = REACH + 1; i <= FAR_RIGHT; i++) {
    const word = wordOf(i - 1) + FAR_AFTER;
    f0 = i16x8.add(f0, v128.load(word));
    f1 = i16x8.add(f1, v128.load(word, 16));
  }
  for (let t = 0; t < length; t++) {
    const inLeft = wordOf(t - REACH - 1) + FAR_BEFORE;
    const outLeft = wordOf(t - FAR_LEFT - 1) + FAR_BEFORE;
    const inRight = wordOf(t + FAR_RIGHT) + FAR_AFTER;
    const outRight = wordOf(t + REACH) + FAR_AFTER;
    f0 = i16x8.sub(i16x8.add(f0, v128.load(inLeft)), v128.load(outLeft));
    f1 = i16x8.sub(i16x8.add(f1, v128.load(inLeft, 16)), v128.load(outLeft, 16));
    f0 = i16x8.sub(i16x8.add(f0, v128.load(inRight)), v128.load(outRight));
    f1 = i16x8.sub(i16x8.add(f1, v128.load(inRight, 16)), v128.load(outRight, 16));
    let s0 = i16x8.add(c0, f0);
    let s1 = i16x8.add(c1, f1);
    let s2 = c2;
    let s3 = c3;
    // The word at offset o from t speaks of t from its own place o.
    for (let o = 0; o < OFFSETS; o++) {
      const word = wordOf(t + o - REACH) + <usize>o * ENTRY_BYTES;
      s0 = i16x8.add(s0, v128.load(word));
      s1 = i16x8.add(s1, v128.load(word, 16));
      s2 = i16x8.add(s2, v128.load(word, 32));
      s3 = i16x8.add(s3, v128.load(word, 48));
    }
    const to = sumAt + <usize>t * ENTRY_BYTES;
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
  }
}

/** `finish` of four numbers. */
function finishFour(value: v128): v128 {
  let h = v128.xor(value, i32x4.shr_u(value, 16));
  h = i32x4.mul(h, i32x4.splat(0x85ebca6b));
  h = v128.xor(h, i32x4.shr_u(h, 13));
  h = i32x4.mul(h, i32x4.splat(0xc2b2ae35));
  return v128.xor(h, i32x4.shr_u(h, 16));
}

function four(a: i32, b: i32, c: i32, d: i32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(a), 1, b), 2, c), 3, d);
}

/**
 * Of four features those that the filter lets pass, with the place of their sums, behind `next`; where the next ones go.
 * Without branches: whether a feature passes is no pattern, and reads of the filter so wait for none before them.
 */
function likely(features: v128, to: i32, next: usize): usize {
  const bits = i32x4.mul(features, i32x4.splat(0x9e3779b1));
  const cells = i32x4.shl(v128.and(bits, i32x4.splat(filterMask)), 2);
  const bit = i32x4.shr_u(bits, 27);
  store<i32>(next, i32x4.extract_lane(features, 0));
  store<i32>(next, to, 4);
  next += passes(i32x4.extract_lane(cells, 0), i32x4.extract_lane(bit, 0));
  store<i32>(next, i32x4.extract_lane(features, 1));
  store<i32>(next, to, 4);
  next += passes(i32x4.extract_lane(cells, 1), i32x4.extract_lane(bit, 1));
  store<i32>(next, i32x4.extract_lane(features, 2));
  store<i32>(next, to, 4);
  next += passes(i32x4.extract_lane(cells, 2), i32x4.extract_lane(bit, 2));
  store<i32>(next, i32x4.extract_lane(features, 3));
  store<i32>(next, to, 4);
  return next + passes(i32x4.extract_lane(cells, 3), i32x4.extract_lane(bit, 3));
}

/** 8, the size of a pair, or 0. */
function passes(cell: i32, bit: i32): usize {
  return (<usize>((load<i32>(filter + <usize>cell) >>> bit) & 1)) << 3;
}

/** Adds the weights of a feature that the filter let pass. */
function addKnown(feature: i32, to: usize): void {
  let slot = feature & slotMask;
  while (true) {
    const at = slots + ((<usize>slot) << 3);
    const key = load<i32>(at);
    if (key === 0) return;
    if (key === feature) {
      addRow(rows + <usize>load<i32>(at, 4) * ROW_BYTES, to);
      return;
    }
    slot = (slot + 1) & slotMask;
  }
}

/** Adds the weights of pairs of neighbours, and of the ends of the sentence. */
function addPairs(length: i32): void {
  let next = likelyAt;
  for (let t = 0; t < length; t++) {
    const left = wordOf(t - 1);
    const here = wordOf(t);
    const right = wordOf(t + 1);
    const to = <i32>(sumAt + <usize>t * ENTRY_BYTES);
    const pair = finish(load<i32>(here, COARSE) ^ load<i32>(right, SECOND_COARSE));
    const first = finishFour(
      four(
        load<i32>(left, LEFT_WORD) ^ load<i32>(here, SECOND_WORD),
        load<i32>(here, WORD) ^ load<i32>(right, SECOND_WORD),
        load<i32>(left, LEFT_OF_GAP) ^ load<i32>(right, SECOND_WORD),
        load<i32>(left, LEFT_CLUSTER) ^ load<i32>(here, SECOND_CLUSTER),
      ),
    );
    const second = finishFour(
      four(
        load<i32>(here, CLUSTER) ^ load<i32>(right, SECOND_CLUSTER),
        load<i32>(left, LEFT_COARSE) ^ mixSecond(pair),
        load<i32>(left, LEFT_SHAPE) ^ load<i32>(here, SECOND_SHAPE),
        load<i32>(here, SHAPE) ^ load<i32>(right, SECOND_SHAPE),
      ),
    );
    next = likely(first, to, next);
    next = likely(second, to, next);
  }
  for (let at = likelyAt; at < next; at += 8) addKnown(load<i32>(at), <usize>load<i32>(at, 4));
  addFeature(mix(110, 1), sumAt);
  addFeature(mix(111, load<i32>(wordOf(0), BARE_SHAPE)), sumAt);
  addFeature(mix(112, 1), sumAt + <usize>(length - 1) * ENTRY_BYTES);
}

function lookupPhrase(hash: i32): i32 {
  let slot = finish(hash) & phraseMask;
  while (true) {
    const key = load<i32>(phraseKeys + ((<usize>slot) << 2));
    if (key === hash) return <i32>load<u16>(phraseKinds + ((<usize>slot) << 1));
    if (key === 0) return -1;
    slot = (slot + 1) & phraseMask;
  }
}

/** Address of the sums of a mark: for the token itself, for the one before it, for the one after it. */
function markOf(kinds: i32, place: i32, size: i32): usize {
  const wanted = (kinds << 5) | ((place - 1) * 4 + size - 1) | (1 << 30);
  let slot = finish(wanted) & (MARK_SLOTS - 1);
  while (true) {
    const at = markSlots + ((<usize>slot) << 3);
    const key = load<i32>(at);
    if (key === wanted) return markSums + <usize>load<i32>(at, 4) * MARK_BYTES;
    if (key === 0) break;
    slot = (slot + 1) & (MARK_SLOTS - 1);
  }
  if (markCount === MARKS_MAX) {
    memory.fill(markSlots, 0, (<usize>MARK_SLOTS) << 3);
    markCount = 0;
    slot = finish(wanted) & (MARK_SLOTS - 1);
  }
  const at = markSlots + ((<usize>slot) << 3);
  store<i32>(at, wanted);
  store<i32>(at, markCount, 4);
  const sums = markSums + <usize>markCount * MARK_BYTES;
  markCount++;
  for (let side = 0; side < 3; side++) {
    const template = 130 + side;
    const to = sums + <usize>side * ENTRY_BYTES;
    memory.fill(to, 0, ENTRY_BYTES);
    addFeature(mix(template, mix(mix(120, kinds), place)), to);
    addFeature(mix(template, mix(mix(121, kinds), place * 8 + size)), to);
    for (let kind = 0; kind < KINDS; kind++)
      if ((kinds & (1 << kind)) !== 0) addFeature(mix(template, mix(mix(122, kind), place)), to);
  }
  return sums;
}

/** Adds the weights of the phrases that tokens stand in. */
function addPhrases(length: i32): void {
  for (let first = 0; first < length; ) {
    const start = load<i32>(wordOf(first), KEY);
    if (start === NO_KEY) {
      first++;
      continue;
    }
    let hash = 0x2545f491;
    let end = 0;
    let kinds = 0;
    let count = 0;
    let size = 0;
    for (let t = first; t < length && count < MAX_PHRASE_WORDS; t++) {
      const key = load<i32>(wordOf(t), KEY);
      // Hyphens and apostrophes: "non-small-cell" finds "non small cell".
      if (key === NO_KEY) continue;
      hash = mix(hash, key);
      if (hash === 0) hash = 1;
      count++;
      const value = lookupPhrase(hash);
      if (value < 0) break;
      if (value > 0) {
        end = t + 1;
        size = count;
        kinds = value;
      }
    }
    if (end === 0) {
      first++;
      continue;
    }
    if (size > 4) size = 4;
    for (let t = first; t < end; t++) {
      const place = end - first === 1 ? WHOLE : t === first ? BEGIN : t === end - 1 ? END : INSIDE;
      const mark = markOf(kinds, place, size);
      const to = sumAt + <usize>t * ENTRY_BYTES;
      addEntry(mark, to);
      if (t > 0) addEntry(mark + ENTRY_BYTES, to - ENTRY_BYTES);
      if (t + 1 < length) addEntry(mark + 2 * ENTRY_BYTES, to + ENTRY_BYTES);
    }
    first = end;
  }
}

/** Adds a hint or mark to its token and, under other templates, to its neighbours. `hint`: its first entry. */
function addHint(t: i32, length: i32, hint: i32): void {
  const from = entries + <usize>hint * ENTRY_BYTES;
  const to = sumAt + <usize>t * ENTRY_BYTES;
  addEntry(from, to);
  if (t > 0) addEntry(from + ENTRY_BYTES, to - ENTRY_BYTES);
  if (t + 1 < length) addEntry(from + 2 * ENTRY_BYTES, to + ENTRY_BYTES);
}

/** e to the power of four numbers from -87 to 0; relative error below 1e-6. */
function expFour(x: v128): v128 {
  const scaled = f32x4.mul(f32x4.max(x, f32x4.splat(-87)), f32x4.splat(<f32>Math.LOG2E));
  const whole = f32x4.nearest(scaled);
  const part = f32x4.sub(scaled, whole);
  let p = f32x4.splat(0.0001540353);
  p = f32x4.add(f32x4.mul(p, part), f32x4.splat(0.0013333558));
  p = f32x4.add(f32x4.mul(p, part), f32x4.splat(0.0096181291));
  p = f32x4.add(f32x4.mul(p, part), f32x4.splat(0.055504109));
  p = f32x4.add(f32x4.mul(p, part), f32x4.splat(0.24022651));
  p = f32x4.add(f32x4.mul(p, part), f32x4.splat(<f32>Math.LN2));
  p = f32x4.add(f32x4.mul(p, part), f32x4.splat(1));
  const power = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(whole), i32x4.splat(127)), 23);
  return f32x4.mul(p, power);
}

function emission(sums: usize, model: usize, block: usize): v128 {
  const sum = v128.load16x4_s(sums + ((<usize>load<i32>(model, MODEL_COLUMN)) << 1) + (block << 3));
  const unit = f32x4.splat(load<f32>(model, MODEL_UNIT));
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(sum), unit), v128.load(model + MODEL_BIAS + (block << 4)));
}

function sumOfFour(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) +
    f32x4.extract_lane(x, 1) +
    (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  );
}

/** Forward–backward with scaling: probabilities of a model's labels, tokens × 12, in its part of the scratch space. */
function marginals(m: i32, length: i32): void {
  const model = models + <usize>m * MODEL_BYTES;
  const labels = load<i32>(model, MODEL_LABELS);
  const width = <usize>load<i32>(model, MODEL_WIDTH);
  const blocks = width >> 2;
  const alpha = chanceAt + chanceStride * <usize>m;
  for (let t = 0; t < length; t++) {
    const sums = sumAt + <usize>t * ENTRY_BYTES;
    const power = powerAt + <usize>t * 48;
    const e0 = emission(sums, model, 0);
    let max = e0;
    if (blocks > 1) {
      const e1 = emission(sums, model, 1);
      max = f32x4.max(max, e1);
      if (blocks > 2) max = f32x4.max(max, emission(sums, model, 2));
    }
    max = f32x4.max(max, i8x16.shuffle(max, max, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    max = f32x4.max(max, i8x16.shuffle(max, max, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    v128.store(power, expFour(f32x4.sub(e0, max)));
    if (blocks > 1) {
      v128.store(power, expFour(f32x4.sub(emission(sums, model, 1), max)), 16);
      if (blocks > 2) v128.store(power, expFour(f32x4.sub(emission(sums, model, 2), max)), 32);
    }
    // Forward: what arrives at each label.
    const here = alpha + <usize>t * 48;
    let a0: v128;
    let a1 = f32x4.splat(0);
    let a2 = f32x4.splat(0);
    if (t === 0) {
      a0 = v128.load(model + MODEL_EXP_START);
      a1 = v128.load(model + MODEL_EXP_START, 16);
      a2 = v128.load(model + MODEL_EXP_START, 32);
    } else {
      const before = here - 48;
      a0 = f32x4.splat(0);
      let row = model + MODEL_EXP_FROM;
      if (blocks === 1) {
        for (let x = 0; x < labels; x++, row += 48) {
          const p = v128.load32_splat(before + ((<usize>x) << 2));
          a0 = f32x4.add(a0, f32x4.mul(p, v128.load(row)));
        }
      } else if (blocks === 2) {
        for (let x = 0; x < labels; x++, row += 48) {
          const p = v128.load32_splat(before + ((<usize>x) << 2));
          a0 = f32x4.add(a0, f32x4.mul(p, v128.load(row)));
          a1 = f32x4.add(a1, f32x4.mul(p, v128.load(row, 16)));
        }
      } else {
        for (let x = 0; x < labels; x++, row += 48) {
          const p = v128.load32_splat(before + ((<usize>x) << 2));
          a0 = f32x4.add(a0, f32x4.mul(p, v128.load(row)));
          a1 = f32x4.add(a1, f32x4.mul(p, v128.load(row, 16)));
          a2 = f32x4.add(a2, f32x4.mul(p, v128.load(row, 32)));
        }
      }
    }
    a0 = f32x4.mul(a0, v128.load(power));
    let total = a0;
    if (blocks > 1) {
      a1 = f32x4.mul(a1, v128.load(power, 16));
      total = f32x4.add(total, a1);
      if (blocks > 2) {
        a2 = f32x4.mul(a2, v128.load(power, 32));
        total = f32x4.add(total, a2);
      }
    }
    // Each step is scaled, so that long sentences do not underflow.
    const unit = f32x4.splat(<f32>1 / sumOfFour(total));
    v128.store(here, f32x4.mul(a0, unit));
    if (blocks > 1) {
      v128.store(here, f32x4.mul(a1, unit), 16);
      if (blocks > 2) v128.store(here, f32x4.mul(a2, unit), 32);
    }
  }
  // Backward; the probabilities take the place of what went forward.
  const ones = f32x4.splat(1);
  let b0 = ones;
  let b1 = ones;
  let b2 = ones;
  for (let t = length - 1; ; t--) {
    const here = alpha + <usize>t * 48;
    const power = powerAt + <usize>t * 48;
    const p0 = f32x4.mul(v128.load(here), b0);
    let total = p0;
    let p1 = p0;
    let p2 = p0;
    if (blocks > 1) {
      p1 = f32x4.mul(v128.load(here, 16), b1);
      total = f32x4.add(total, p1);
      if (blocks > 2) {
        p2 = f32x4.mul(v128.load(here, 32), b2);
        total = f32x4.add(total, p2);
      }
    }
    const share = f32x4.splat(<f32>1 / sumOfFour(total));
    v128.store(here, f32x4.mul(p0, share));
    if (blocks > 1) {
      v128.store(here, f32x4.mul(p1, share), 16);
      if (blocks > 2) v128.store(here, f32x4.mul(p2, share), 32);
    }
    if (t === 0) break;
    b0 = f32x4.mul(b0, v128.load(power));
    v128.store(betaAt, b0);
    if (blocks > 1) {
      b1 = f32x4.mul(b1, v128.load(power, 16));
      v128.store(betaAt, b1, 16);
      if (blocks > 2) {
        b2 = f32x4.mul(b2, v128.load(power, 32));
        v128.store(betaAt, b2, 32);
      }
    }
    b0 = f32x4.splat(0);
    b1 = b0;
    b2 = b0;
    let row = model + MODEL_EXP_TO;
    for (let y = 0; y < labels; y++, row += 48) {
      const p = v128.load32_splat(betaAt + ((<usize>y) << 2));
      b0 = f32x4.add(b0, f32x4.mul(p, v128.load(row)));
      if (blocks > 1) {
        b1 = f32x4.add(b1, f32x4.mul(p, v128.load(row, 16)));
        if (blocks > 2) b2 = f32x4.add(b2, f32x4.mul(p, v128.load(row, 32)));
      }
    }
    let whole = b0;
    if (blocks > 1) {
      whole = f32x4.add(whole, b1);
      if (blocks > 2) whole = f32x4.add(whole, b2);
    }
    const unit = f32x4.splat(<f32>1 / sumOfFour(whole));
    b0 = f32x4.mul(b0, unit);
    b1 = f32x4.mul(b1, unit);
    b2 = f32x4.mul(b2, unit);
  }
}

/** Writes the best path of labels. */
function viterbi(m: i32, length: i32): void {
  const model = models + <usize>m * MODEL_BYTES;
  const labels = load<i32>(model, MODEL_LABELS);
  const blocks = <usize>load<i32>(model, MODEL_WIDTH) >> 2;
  // Two rows of scores in turns.
  let before = betaAt;
  let here = powerAt;
  for (let b: usize = 0; b < blocks; b++)
    v128.store(
      before + (b << 4),
      f32x4.add(emission(sumAt, model, b), v128.load(model + MODEL_START + (b << 4))),
    );
  for (let t = 1; t < length; t++) {
    const sums = sumAt + <usize>t * ENTRY_BYTES;
    const back = backAt + <usize>t * 48;
    for (let b: usize = 0; b < blocks; b++) {
      const column = model + MODEL_TRANSITIONS + (b << 4);
      let best = f32x4.add(v128.load32_splat(before), v128.load(column));
      let from = i32x4.splat(0);
      for (let x = 1; x < labels; x++) {
        const score = f32x4.add(
          v128.load32_splat(before + ((<usize>x) << 2)),
          v128.load(column + <usize>x * 48),
        );
        const better = f32x4.gt(score, best);
        best = v128.bitselect(score, best, better);
        from = v128.bitselect(i32x4.splat(x), from, better);
      }
      v128.store(here + (b << 4), f32x4.add(best, emission(sums, model, b)));
      v128.store(back + (b << 4), from);
    }
    const other = before;
    before = here;
    here = other;
  }
  let label = 0;
  for (let y = 1; y < labels; y++)
    if (load<f32>(before + ((<usize>y) << 2)) > load<f32>(before + ((<usize>label) << 2))) label = y;
  for (let t = length - 1; t >= 0; t--) {
    store<u8>(pathAt + <usize>t, <u8>label);
    label = load<i32>(backAt + <usize>t * 48 + ((<usize>label) << 2));
  }
}

/** Adds what helper m says of each token as hints; `first` is its first hint. Returns the first hint after its own. */
function addHints(m: i32, length: i32, first: i32): i32 {
  const labels = load<i32>(models + <usize>m * MODEL_BYTES, MODEL_LABELS);
  const types = (labels - 1) >> 1;
  const chances = chanceAt + chanceStride * <usize>m;
  for (let t = 0; t < length; t++) {
    const at = chances + <usize>t * 48;
    if (load<f32>(at) > HINT_SILENCE) continue;
    let best = 0;
    for (let y = 1; y < labels; y++)
      if (load<f32>(at + ((<usize>y) << 2)) > load<f32>(at + ((<usize>best) << 2))) best = y;
    for (let type = 0; type < types; type++) {
      const begin = at + ((<usize>(2 * type + 1)) << 2);
      const p = load<f32>(begin) + load<f32>(begin, 4);
      if (p <= 0.05) continue;
      const level = p > 0.95 ? 4 : p > 0.8 ? 3 : p > 0.5 ? 2 : p > 0.2 ? 1 : 0;
      addHint(t, length, first + 3 * (type * HINT_LEVELS + level));
    }
    if (best !== 0) addHint(t, length, first + 3 * (types * HINT_LEVELS + best - 1));
  }
  return first + 3 * (types * HINT_LEVELS + labels - 1);
}

/**
 * Reads a sentence whose words the host has placed, by model m, the last one after its helpers. Leaves its
 * probabilities and labels; false where all labels are 0.
 * @param kind entry of the kind of sentence; @param marks number of pairs of token and first entry of a mark among
 * the features of the scratch space.
 */
export function tag(m: i32, length: i32, kind: i32, marks: i32): bool {
  if (length === 0) return false;
  sumWords(length, kind);
  addPairs(length);
  addPhrases(length);
  if (m === helpers && helpers > 0) {
    for (let helper = 0; helper < helpers; helper++) marginals(helper, length);
    let hint = <i32>hintEntries;
    for (let helper = 0; helper < helpers; helper++) hint = addHints(helper, length, hint);
    for (let i = 0; i < marks; i++) {
      const at = featureAt + ((<usize>i) << 3);
      addHint(load<i32>(at), length, load<i32>(at, 4));
    }
  }
  marginals(m, length);
  // Where the chances that a token is something sum to less than one half, nothing but O has more than one half.
  const chances = chanceAt + chanceStride * <usize>m;
  let something: f32 = 0;
  for (let t = 0; t < length; t++) something += <f32>1 - load<f32>(chances + <usize>t * 48);
  if (something < SURE_OF_NOTHING) return false;
  viterbi(m, length);
  return true;
}
