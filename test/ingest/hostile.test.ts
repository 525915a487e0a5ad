import { describe, expect, it } from 'vitest';
import { type Fault, isFault } from '../../src/core/fault.js';
import { validateResource } from '../../src/fhir/validate.js';
import { mapClinicalDocument } from '../../src/ingest/ccda/index.js';
import { DOCX } from '../../src/ingest/docx.js';
import { extractText } from '../../src/ingest/extractors.js';
import { mapMessage } from '../../src/ingest/hl7v2/index.js';
import { decodeMessages, readMessages } from '../../src/ingest/hl7v2/message.js';
import { tarMembers } from '../../src/ingest/tar.js';
import { ccda } from './ccda-samples.js';
import { BATCH } from './hl7v2-samples.js';
import { docxOf, pdfOf, tarOf } from './made-files.js';

/** The same damage in every run (a linear congruential generator; high bits, since the low ones repeat soon). */
function damager(seed: number): (bytes: Buffer) => Buffer {
  let state = seed;
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  return (bytes) => {
    const out = Buffer.from(bytes);
    for (let i = 0; i <= below(6); i++) {
      if (below(2) === 0) out[below(out.length)] = below(256);
      else out.copyWithin(below(out.length), below(out.length), out.length);
    }
    return below(5) === 0 ? out.subarray(0, below(out.length) + 1) : out;
  };
}

/** Whether a fault is of a resource we made, and not of what was read. */
const isUnsound = (fault: Fault) => /^[A-Z][A-Za-z]+(\.|$)/.test(fault.at ?? '') && fault.at !== 'PID';

const RTF = Buffer.from("{\\rtf1\\ansi{\\fonttbl x;} Takes {\\b met\\'e9 \\u1234?}\\par and rests}");
const HTML = Buffer.from(
  '<html><p>Takes <b>metformin</b>&nbsp;&amp; <table><tr><td>x</td></tr></table></html>',
);
const TAR = tarOf({ 'a.txt': 'x'.repeat(600), 'b/c.txt': 'y' });

/** Each reads damaged input to its end; what it makes of it must be sound FHIR. */
const READERS: readonly (readonly [
  name: string,
  rounds: number,
  input: Buffer,
  read: (bytes: Buffer) => unknown,
])[] = [
  [
    'HL7 v2',
    300,
    Buffer.from(BATCH),
    (bytes) => {
      for (const message of readMessages(decodeMessages(bytes))) {
        if ('fault' in message) continue;
        try {
          for (const resource of mapMessage(message).resources) validateResource(resource, 'strict');
        } catch (error) {
          if (!isFault(error) || isUnsound(error)) throw error;
        }
      }
    },
  ],
  [
    'C-CDA',
    300,
    Buffer.from(ccda({})),
    (bytes) => mapClinicalDocument(bytes).map((r) => validateResource(r, 'strict')),
  ],
  [
    'Word',
    300,
    docxOf('<w:p><w:r><w:t>hello &amp; x</w:t></w:r></w:p>'),
    (bytes) => extractText(bytes, DOCX),
  ],
  ['RTF', 300, RTF, (bytes) => extractText(bytes, 'text/rtf')],
  ['HTML', 300, HTML, (bytes) => extractText(bytes, 'text/html')],
  ['PDF', 15, pdfOf([['Takes metformin daily']]), (bytes) => extractText(bytes, 'application/pdf')],
  [
    'tar',
    300,
    TAR,
    async (bytes) => {
      async function* whole() {
        yield bytes;
      }
      for await (const member of tarMembers(whole())) for await (const _ of member.bytes());
    },
  ],
];

describe('damaged input', () => {
  it.each(READERS)(
    'as %s is read or refused, never a crash and never unsound',
    async (_, rounds, input, read) => {
      const damage = damager(7);
      const crashes: unknown[] = [];
      for (let i = 0; i < rounds; i++) {
        try {
          await read(damage(input));
        } catch (error) {
          const refused = isFault(error) && !isUnsound(error);
          if (!refused) crashes.push(error);
        }
      }
      expect(crashes).toEqual([]);
    },
  );
});
