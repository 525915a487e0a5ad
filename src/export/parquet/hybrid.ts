import type { Bytes } from '../bytes.js';

/** Values of one bit-packed group; what repeats this often is written as a run. */
const GROUP = 8;

/**
 * Parquet's hybrid of run lengths and bit packing (encoding RLE), without a length before it.
 * @param bits width of a value, at most 24
 */
export function writeHybrid(out: Bytes, values: ArrayLike<number>, bits: number): void {
  const n = values.length;
  let i = 0;
  while (i < n) {
    const run = runAt(values, i, n);
    if (run >= GROUP) {
      out.varint(run << 1);
      for (let shift = 0; shift < bits; shift += 8) out.uint8((values[i]! >>> shift) & 255);
      i += run;
      continue;
    }
    let end = i;
    do end = Math.min(end + GROUP, n);
    while (end < n && runAt(values, end, Math.min(end + GROUP, n)) < GROUP);
    pack(out, values, i, end, bits);
    i = end;
  }
}

/** How often the value at `i` stands there in a row, before `end`. */
function runAt(values: ArrayLike<number>, i: number, end: number): number {
  const value = values[i];
  let at = i + 1;
  while (at < end && values[at] === value) at++;
  return at - i;
}

function pack(out: Bytes, values: ArrayLike<number>, from: number, to: number, bits: number): void {
  const groups = Math.ceil((to - from) / GROUP);
  out.varint((groups << 1) | 1);
  let held = 0;
  let width = 0;
  for (let i = 0; i < groups * GROUP; i++) {
    held |= (from + i < to ? values[from + i]! : 0) << width;
    width += bits;
    while (width >= 8) {
      out.uint8(held & 255);
      held >>>= 8;
      width -= 8;
    }
  }
}
