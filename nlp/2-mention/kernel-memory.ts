/**
 * The WebAssembly memory of one set of weights: its tables, written once, then an area of its own for each kernel. It is
 * sent to threads with the tables, so that all of them read the same bytes.
 */

/** What is used of WebAssembly: the types of Node do not name it, and those of browsers bring everything else too. */
export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
  grow(pages: number): number;
}
interface Wasm {
  readonly Memory: new (descriptor: { initial: number; maximum: number; shared: true }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { env: { memory: WasmMemory } },
  ) => { readonly exports: unknown };
}
export const { WebAssembly: wasm } = globalThis as unknown as { readonly WebAssembly: Wasm };

const PAGE_BYTES = 65_536;
/** Reserved, not used: 1 GiB, of which the shipped weights take 25 MB and each kernel 16 at most. */
export const MEMORY_MAX_PAGES = 16_384;
/** Kernels that may use the same weights at a time. */
const AREAS_MAX = 48;
const ALIGNMENT = 64;
/** Before the tables: for each area the number of the thread that has it, 0 where none. */
const OWNERS_BYTES = Math.ceil((AREAS_MAX * 4) / ALIGNMENT) * ALIGNMENT;

/** A memory while tables are being put into it. */
export class TableMemory {
  readonly memory = new wasm.Memory({ initial: 1, maximum: MEMORY_MAX_PAGES, shared: true });
  private next = OWNERS_BYTES;

  /** An array of zeros in the memory; its `byteOffset` is its address. */
  array<T extends Int32Array | Uint16Array | Int8Array | Uint8Array>(
    Kind: {
      new (buffer: SharedArrayBuffer, at: number, length: number): T;
      readonly BYTES_PER_ELEMENT: number;
    },
    length: number,
  ): T {
    const at = this.next;
    this.next = aligned(at + length * Kind.BYTES_PER_ELEMENT);
    enlarge(this.memory, this.next);
    return new Kind(this.memory.buffer, at, length);
  }

  /** Where the areas of kernels begin. */
  get end(): number {
    return this.next;
  }
}

/**
 * Address of a free area of `bytes` bytes after the tables that end at `end`, which now belongs to the thread.
 * @throws Error where all are taken.
 */
export function takeArea(memory: WasmMemory, end: number, bytes: number, thread: number): number {
  const owners = new Int32Array(memory.buffer, 0, AREAS_MAX);
  for (let area = 0; area < AREAS_MAX; area++) {
    if (Atomics.compareExchange(owners, area, 0, thread) !== 0) continue;
    const at = aligned(end) + area * aligned(bytes);
    enlarge(memory, at + bytes);
    return at;
  }
  throw new Error('too many kernels with the same weights');
}

/** Frees the areas of a thread that has ended. */
export function freeAreas(memory: WasmMemory, thread: number): void {
  const owners = new Int32Array(memory.buffer, 0, AREAS_MAX);
  for (let area = 0; area < AREAS_MAX; area++) Atomics.compareExchange(owners, area, thread, 0);
}

/** Makes a memory at least this large. Two threads at once may make it larger than that, and no less. */
function enlarge(memory: WasmMemory, bytes: number): void {
  const missing = bytes - memory.buffer.byteLength;
  if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
