import { Fault, invalid } from '../core/fault.js';
import { checkMemberName, MAX_ENTRIES } from './zip.js';

/** One regular file of a tar archive, in the order of the archive. */
export interface TarMember {
  readonly ordinal: number;
  readonly name: string;
  readonly size: number;
  /** Its bytes. What is not read is skipped when the next member is asked for. */
  bytes(): AsyncGenerator<Buffer>;
}

const BLOCK = 512;
/** Longest name or extended header, in bytes. */
const MAX_HEADER_BYTES = 64 * 1024;

/** Whether a first block is that of a tar archive (POSIX ustar or GNU). */
export function isTar(head: Uint8Array): boolean {
  return Buffer.from(head.subarray(257, 262)).toString('latin1') === 'ustar';
}

/** Takes exact numbers of bytes off a stream of chunks. */
class Blocks {
  #chunk: Buffer = Buffer.alloc(0);
  readonly #source: AsyncIterator<Buffer>;
  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Up to `most` bytes; undefined at the end. */
  async some(most: number): Promise<Buffer | undefined> {
    while (this.#chunk.length === 0) {
      const next = await this.#source.next();
      if (next.done) return undefined;
      this.#chunk = next.value;
    }
    const taken = this.#chunk.subarray(0, most);
    this.#chunk = this.#chunk.subarray(taken.length);
    return taken;
  }

  async exactly(length: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      if (!part) {
        if (left === length) return undefined;
        throw damaged();
      }
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts, length);
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      if (!part) throw damaged();
      left -= part.length;
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

/**
 * The regular files of a tar archive (POSIX.1-2017 pax, "ustar Interchange Format"; GNU long names), read in one pass.
 * Links, devices and folders are left out.
 * @throws Fault `invalid` where it is damaged or a name leads out of it
 */
export async function* tarMembers(source: AsyncIterable<Buffer>): AsyncGenerator<TarMember> {
  const blocks = new Blocks(source);
  let longName: string | undefined;
  let paxSize: number | undefined;
  let ordinal = 0;
  try {
    for (;;) {
      const header = await blocks.exactly(BLOCK);
      if (!header || header.every((byte) => byte === 0)) return;
      if (!isTar(header)) throw damaged();
      const type = String.fromCharCode(header[156]!);
      const size = type === 'x' || type === 'g' ? octal(header, 124) : (paxSize ?? octal(header, 124));
      const padded = Math.ceil(size / BLOCK) * BLOCK;
      if (type === 'L' || type === 'x') {
        if (size > MAX_HEADER_BYTES) throw damaged();
        const body = (await blocks.exactly(padded))?.subarray(0, size);
        if (!body) throw damaged();
        if (type === 'L') longName = body.toString('utf8').replace(/\0.*$/s, '');
        else {
          const fields = paxFields(body);
          longName = fields.get('path') ?? longName;
          paxSize = fields.has('size') ? Number(fields.get('size')) : undefined;
          if (paxSize !== undefined && !Number.isSafeInteger(paxSize)) throw damaged();
        }
        continue;
      }
      const name = (longName ?? plainName(header)).replaceAll('\\', '/').replace(/^(\.\/)+/, '');
      longName = undefined;
      paxSize = undefined;
      if ((type !== '0' && type !== '\0') || name.endsWith('/')) {
        await blocks.skip(padded);
        continue;
      }
      checkMemberName(name);
      if (ordinal >= MAX_ENTRIES)
        throw new Fault('too-large', `The archive holds more than ${MAX_ENTRIES} files.`);
      let left = size;
      yield {
        ordinal: ordinal++,
        name,
        size,
        async *bytes() {
          while (left > 0) {
            const part = await blocks.some(left);
            if (!part) throw damaged();
            left -= part.length;
            yield part;
          }
        },
      };
      await blocks.skip(left + padded - size);
    }
  } finally {
    await blocks.close();
  }
}

function plainName(header: Buffer): string {
  const text = (at: number, length: number) => header.toString('utf8', at, at + length).replace(/\0.*$/s, '');
  const prefix = header[262] === 0 ? text(345, 155) : '';
  return prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`;
}

function octal(header: Buffer, at: number): number {
  // GNU writes sizes beyond 8 GB in base 256, marked by the first bit.
  if ((header[at]! & 0x80) !== 0) {
    const value = Number(header.readBigUInt64BE(at + 4));
    if (!Number.isSafeInteger(value)) throw damaged();
    return value;
  }
  const text = header.toString('latin1', at, at + 12).replace(/[\0 ]+/g, '');
  if (!/^[0-7]*$/.test(text)) throw damaged();
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function paxFields(body: Buffer): Map<string, string> {
  const fields = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at);
    const length = Number(body.toString('latin1', at, space));
    if (space < 0 || !Number.isInteger(length) || length <= 0 || at + length > body.length) throw damaged();
    const field = body.toString('utf8', space + 1, at + length - 1);
    const equals = field.indexOf('=');
    fields.set(field.slice(0, equals), field.slice(equals + 1));
    at += length;
  }
  return fields;
}

function damaged(): Fault {
  return invalid('The tar archive is damaged.', undefined, 'Pack the files again.');
}
