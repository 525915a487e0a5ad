import { seededRandom } from './random.js';

/** Vectors of the frequent words: `vectors[i * size + d]` for the i-th word. */
export interface WordVectors {
  readonly words: readonly string[];
  readonly counts: Uint32Array;
  readonly size: number;
  readonly vectors: Float32Array;
}

export interface VectorOptions {
  readonly minCount: number;
  readonly maxWords: number;
  readonly contextWords: number;
  readonly size: number;
  readonly seed: number;
}

/**
 * Words that stand in the same places get close vectors: positive pointwise mutual information of a word with
 * its neighbours (each at its distance of one or two, and within six words at any distance), reduced by a
 * randomised singular value decomposition. Counting beats sampling on a few million words, and is deterministic.
 */
export function wordVectors(sentences: readonly (readonly string[])[], options: VectorOptions): WordVectors {
  const totals = new Map<string, number>();
  for (const sentence of sentences)
    for (const word of sentence) totals.set(word, (totals.get(word) ?? 0) + 1);
  const ranked = [...totals]
    .filter(([, n]) => n >= options.minCount)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const words = ranked.slice(0, options.maxWords).map(([word]) => word);
  const counts = Uint32Array.from(words, (word) => totals.get(word)!);
  const id = new Map(words.map((word, i) => [word, i]));
  const C = Math.min(options.contextWords, words.length);
  const offsets = [-2, -1, 1, 2];
  const columns = C * (offsets.length + 1);
  const rows: Map<number, number>[] = words.map(() => new Map());
  const bump = (row: number, column: number, by: number): void => {
    const map = rows[row]!;
    map.set(column, (map.get(column) ?? 0) + by);
  };
  for (const sentence of sentences) {
    const ids = sentence.map((word) => id.get(word) ?? -1);
    for (let t = 0; t < ids.length; t++) {
      const row = ids[t]!;
      if (row < 0) continue;
      offsets.forEach((offset, k) => {
        const other = ids[t + offset] ?? -1;
        if (other >= 0 && other < C) bump(row, k * C + other, 1);
      });
      for (let o = -6; o <= 6; o++) {
        const other = o === 0 ? -1 : (ids[t + o] ?? -1);
        if (other >= 0 && other < C) bump(row, offsets.length * C + other, 1 / Math.abs(o));
      }
    }
  }
  // Sparse rows of positive PMI with context counts smoothed by the power .75.
  const columnSums = new Float64Array(columns);
  const rowSums = new Float64Array(words.length);
  rows.forEach((map, r) => {
    for (const [c, n] of map) {
      columnSums[c] = columnSums[c]! + n;
      rowSums[r] = rowSums[r]! + n;
    }
  });
  let smoothed = 0;
  for (let c = 0; c < columns; c++) {
    columnSums[c] = columnSums[c]! ** 0.75;
    smoothed += columnSums[c]!;
  }
  const pointers = new Int32Array(words.length + 1);
  const columnOf: number[] = [];
  const pmiOf: number[] = [];
  rows.forEach((map, r) => {
    for (const [c, n] of map) {
      const pmi = Math.log(n / rowSums[r]! / (columnSums[c]! / smoothed));
      if (pmi > 0) {
        columnOf.push(c);
        pmiOf.push(pmi);
      }
    }
    pointers[r + 1] = columnOf.length;
  });
  const vectors = decompose(
    words.length,
    columns,
    pointers,
    Int32Array.from(columnOf),
    Float32Array.from(pmiOf),
    options,
  );
  return { words, counts, size: options.size, vectors };
}

/** Left singular vectors times the square root of the singular values, rows scaled to length one. */
function decompose(
  n: number,
  m: number,
  pointers: Int32Array,
  columns: Int32Array,
  values: Float32Array,
  options: VectorOptions,
): Float32Array {
  const k = options.size + 16;
  const random = seededRandom(options.seed);
  let Q = new Float32Array(n * k);
  for (let i = 0; i < Q.length; i++) Q[i] = random() * 2 - 1;
  orthonormalise(Q, n, k);
  const B = new Float32Array(m * k);
  const transposeTimes = (): void => {
    B.fill(0);
    for (let r = 0; r < n; r++) {
      for (let p = pointers[r]!; p < pointers[r + 1]!; p++) {
        const at = columns[p]! * k;
        const v = values[p]!;
        for (let d = 0; d < k; d++) B[at + d] = B[at + d]! + v * Q[r * k + d]!;
      }
    }
  };
  for (let power = 0; power < 3; power++) {
    transposeTimes();
    orthonormalise(B, m, k);
    const next = new Float32Array(n * k);
    for (let r = 0; r < n; r++) {
      for (let p = pointers[r]!; p < pointers[r + 1]!; p++) {
        const at = columns[p]! * k;
        const v = values[p]!;
        for (let d = 0; d < k; d++) next[r * k + d] = next[r * k + d]! + v * B[at + d]!;
      }
    }
    Q = next;
    if (power < 2) orthonormalise(Q, n, k);
  }
  // Q = A·B with B orthonormal: its Gram matrix holds the squared singular values.
  const gram = new Float64Array(k * k);
  for (let r = 0; r < n; r++) {
    for (let a = 0; a < k; a++) {
      const q = Q[r * k + a]!;
      for (let b = a; b < k; b++) gram[a * k + b] = gram[a * k + b]! + q * Q[r * k + b]!;
    }
  }
  for (let a = 0; a < k; a++) for (let b = 0; b < a; b++) gram[a * k + b] = gram[b * k + a]!;
  const { values: eigen, vectors: V } = jacobi(gram, k);
  const order = Array.from({ length: k }, (_, i) => i).sort((a, b) => eigen[b]! - eigen[a]!);
  const size = options.size;
  const out = new Float32Array(n * size);
  for (let r = 0; r < n; r++) {
    let norm = 0;
    for (let d = 0; d < size; d++) {
      const column = order[d]!;
      let sum = 0;
      for (let a = 0; a < k; a++) sum += Q[r * k + a]! * V[a * k + column]!;
      // Q·v has length sigma; dividing by its root leaves U·sqrt(sigma).
      const sigma = Math.sqrt(Math.max(eigen[column]!, 1e-12));
      const value = sum / Math.sqrt(sigma);
      out[r * size + d] = value;
      norm += value * value;
    }
    const scale = norm > 0 ? 1 / Math.sqrt(norm) : 0;
    for (let d = 0; d < size; d++) out[r * size + d] = out[r * size + d]! * scale;
  }
  return out;
}

/** Modified Gram–Schmidt on the columns of an n × k matrix kept by rows. */
function orthonormalise(A: Float32Array, n: number, k: number): void {
  // Columns are gathered once, so that the inner loops run over contiguous memory.
  const cols = Array.from({ length: k }, (_, d) => {
    const column = new Float32Array(n);
    for (let r = 0; r < n; r++) column[r] = A[r * k + d]!;
    return column;
  });
  for (let a = 0; a < k; a++) {
    const ca = cols[a]!;
    for (let b = 0; b < a; b++) {
      const cb = cols[b]!;
      let dot = 0;
      for (let r = 0; r < n; r++) dot += ca[r]! * cb[r]!;
      for (let r = 0; r < n; r++) ca[r] = ca[r]! - dot * cb[r]!;
    }
    let norm = 0;
    for (let r = 0; r < n; r++) norm += ca[r]! * ca[r]!;
    const scale = norm > 1e-20 ? 1 / Math.sqrt(norm) : 0;
    for (let r = 0; r < n; r++) ca[r] = ca[r]! * scale;
  }
  for (let d = 0; d < k; d++) for (let r = 0; r < n; r++) A[r * k + d] = cols[d]![r]!;
}

/** Eigenvalues and vectors of a symmetric matrix by cyclic Jacobi rotations. */
function jacobi(input: Float64Array, k: number): { values: Float64Array; vectors: Float64Array } {
  const A = Float64Array.from(input);
  const V = new Float64Array(k * k);
  for (let i = 0; i < k; i++) V[i * k + i] = 1;
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0;
    let diagonal = 0;
    for (let i = 0; i < k; i++) {
      diagonal += A[i * k + i]! ** 2;
      for (let j = i + 1; j < k; j++) off += A[i * k + j]! ** 2;
    }
    if (off < 1e-18 * diagonal) break;
    for (let p = 0; p < k; p++) {
      for (let q = p + 1; q < k; q++) {
        const apq = A[p * k + q]!;
        if (Math.abs(apq) < 1e-300) continue;
        const theta = (A[q * k + q]! - A[p * k + p]!) / (2 * apq);
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        const s = t * c;
        for (let i = 0; i < k; i++) {
          const ip = A[i * k + p]!;
          const iq = A[i * k + q]!;
          A[i * k + p] = c * ip - s * iq;
          A[i * k + q] = s * ip + c * iq;
        }
        for (let i = 0; i < k; i++) {
          const pi = A[p * k + i]!;
          const qi = A[q * k + i]!;
          A[p * k + i] = c * pi - s * qi;
          A[q * k + i] = s * pi + c * qi;
          const vp = V[i * k + p]!;
          const vq = V[i * k + q]!;
          V[i * k + p] = c * vp - s * vq;
          V[i * k + q] = s * vp + c * vq;
        }
      }
    }
  }
  const values = new Float64Array(k);
  for (let i = 0; i < k; i++) values[i] = A[i * k + i]!;
  return { values, vectors: V };
}

/** Cluster number (from 1) of each vector: spherical k-means, seeded, a fixed number of rounds. */
export function cluster(
  vectors: Float32Array,
  size: number,
  clusters: number,
  seed: number,
  rounds = 6,
): Uint16Array {
  const n = vectors.length / size;
  const random = seededRandom(seed);
  const centres = new Float32Array(clusters * size);
  const picks = new Set<number>();
  while (picks.size < Math.min(clusters, n)) picks.add(Math.floor(random() * n));
  [...picks].forEach((row, c) => {
    centres.set(vectors.subarray(row * size, (row + 1) * size), c * size);
  });
  const assignment = new Uint16Array(n);
  for (let round = 0; round < rounds; round++) {
    for (let r = 0; r < n; r++) {
      let best = Number.NEGATIVE_INFINITY;
      let pick = 0;
      const at = r * size;
      for (let c = 0; c < clusters; c++) {
        const to = c * size;
        let dot = 0;
        for (let d = 0; d < size; d++) dot += vectors[at + d]! * centres[to + d]!;
        if (dot > best) {
          best = dot;
          pick = c;
        }
      }
      assignment[r] = pick + 1;
    }
    centres.fill(0);
    for (let r = 0; r < n; r++) {
      const to = (assignment[r]! - 1) * size;
      for (let d = 0; d < size; d++) centres[to + d] = centres[to + d]! + vectors[r * size + d]!;
    }
    for (let c = 0; c < clusters; c++) {
      let norm = 0;
      for (let d = 0; d < size; d++) norm += centres[c * size + d]! ** 2;
      const scale = norm > 0 ? 1 / Math.sqrt(norm) : 0;
      for (let d = 0; d < size; d++) centres[c * size + d] = centres[c * size + d]! * scale;
    }
  }
  return assignment;
}
