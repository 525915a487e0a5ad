import { randomInt } from 'node:crypto';

/** 2020-01-01; 41 bits of milliseconds from there reach to 2089. */
const EPOCH_MS = 1577836800000;
const RANDOM_BITS = 22n;

let lastMs = 0;
let counter = 0;

/**
 * A segment id: 63 bits, rising with time so that a part's segments lie in the order they were written, without a
 * sequence. Within a process ids never repeat; two processes meet in one part and millisecond with a chance of one in
 * four million, and the primary key then makes one of them retry.
 */
export function newSegmentId(now: number): bigint {
  if (now !== lastMs || counter >= 2 ** 22) {
    lastMs = Math.max(now, counter >= 2 ** 22 ? lastMs + 1 : now);
    counter = randomInt(2 ** 21);
  }
  return (BigInt(lastMs - EPOCH_MS) << RANDOM_BITS) | BigInt(counter++);
}
