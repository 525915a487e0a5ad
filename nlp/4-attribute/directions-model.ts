import { gunzipSync } from 'node:zlib';
import { Lattice, spansOf, type TaggedSpan } from '../2-mention/crf.js';
import { readModel } from '../rules/load.js';
import { type FeatureRows, LABELS, LEARNED_TYPES } from './directions-features.js';

export const DIRECTIONS_MODEL = 'directions.bin.gz';

/** A linear chain over the tokens of a sentence with drugs; labels as in `2-mention/crf.ts`. */
export interface DirectionsModel {
  /** Sorted hashes of the features. */
  readonly features: Int32Array;
  /** features × LABELS. */
  readonly weights: Int8Array;
  readonly unit: number;
  readonly transitions: readonly number[];
  readonly start: readonly number[];
}

export interface Directions {
  readonly spans: readonly TaggedSpan[];
  /** Tokens × types. */
  readonly chances: Float64Array;
}

/** Reads sentences by one model. */
export class DirectionsTagger {
  private readonly lattice: Lattice;
  private readonly slots: Int32Array;
  constructor(private readonly model: DirectionsModel) {
    this.lattice = new Lattice(LABELS, model.transitions, model.start);
    let size = 1024;
    while (size < model.features.length * 2) size *= 2;
    this.slots = new Int32Array(size * 2);
    model.features.forEach((feature, row) => {
      let slot = feature & (size - 1);
      while (this.slots[slot * 2 + 1] !== 0) slot = (slot + 1) & (size - 1);
      this.slots[slot * 2] = feature;
      this.slots[slot * 2 + 1] = row + 1;
    });
  }

  /** @param rows see `directionFeatures`. */
  tag(rows: FeatureRows): Directions {
    const { lattice } = this;
    const n = rows.length;
    lattice.reset(n);
    this.addUp(rows, lattice.emissions);
    const path = lattice.viterbi(n);
    lattice.marginals(n);
    const types = LEARNED_TYPES.length;
    const chances = new Float64Array(n * types);
    for (let t = 0; t < n; t++)
      for (let type = 0; type < types; type++)
        chances[t * types + type] =
          lattice.probabilities[t * LABELS + 2 * type + 1]! +
          lattice.probabilities[t * LABELS + 2 * type + 2]!;
    return { spans: spansOf(path, chances, types), chances };
  }

  /** Sums of the weights of each token's features, in whole units until the end. */
  private addUp({ values, ends, length }: FeatureRows, emissions: Float64Array): void {
    const { slots } = this;
    const { weights, unit } = this.model;
    const mask = slots.length / 2 - 1;
    const sums = new Int32Array(LABELS);
    let i = 0;
    for (let t = 0; t < length; t++) {
      sums.fill(0);
      for (const end = ends[t]!; i < end; i++) {
        const feature = values[i]!;
        let slot = feature & mask;
        let row = slots[slot * 2 + 1]!;
        while (row !== 0 && slots[slot * 2] !== feature) {
          slot = (slot + 1) & mask;
          row = slots[slot * 2 + 1]!;
        }
        if (row === 0) continue;
        const from = (row - 1) * LABELS;
        for (let y = 0; y < LABELS; y++) sums[y] = sums[y]! + weights[from + y]!;
      }
      const at = t * LABELS;
      for (let y = 0; y < LABELS; y++) emissions[at + y] = sums[y]! * unit;
    }
  }
}

/** Length of the header as JSON, the header, then hashes and weights; little-endian. */
export function encodeDirections({ features, weights, ...header }: DirectionsModel): Buffer {
  const json = JSON.stringify({ ...header, rows: features.length });
  const head = Buffer.from(json.padEnd(4 * Math.ceil(json.length / 4)));
  const size = Buffer.alloc(4);
  size.writeUInt32LE(head.length, 0);
  return Buffer.concat([size, head, Buffer.from(features.buffer), Buffer.from(weights.buffer)]);
}

/** @param bytes what `encodeDirections` gave, gzip. */
export function decodeDirections(bytes: Buffer): DirectionsModel {
  const plain = gunzipSync(bytes);
  const from = 4 + plain.readUInt32LE(0);
  const { rows, ...header } = JSON.parse(plain.subarray(4, from).toString('utf8')) as Omit<
    DirectionsModel,
    'features' | 'weights'
  > & { rows: number };
  const copy = new Uint8Array(plain.subarray(from));
  return {
    ...header,
    features: new Int32Array(copy.buffer, 0, rows),
    weights: new Int8Array(copy.buffer, rows * 4),
  };
}

let shipped: DirectionsTagger | undefined;

/** The model that the package ships, read once. */
export function loadDirections(): DirectionsTagger {
  shipped ??= new DirectionsTagger(decodeDirections(readModel(DIRECTIONS_MODEL)));
  return shipped;
}
