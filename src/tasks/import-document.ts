import { resolve } from 'node:path';
import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { extractText } from '../ingest/extractors.js';
import { CONTENT_TYPES, type InputFormat } from '../ingest/format.js';
import { readWhole } from '../ingest/lines.js';
import { MAX_ORIGINAL_BYTES, withOriginal } from '../ingest/original.js';
import { readSidecar } from '../ingest/sidecar.js';
import type { SourceFile } from '../ingest/source.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { BundleDeps, ResolvedReferences } from './bundle.js';
import { type NoteDefaults, noteResource } from './import-notes.js';

/** What a document file is read with. */
export interface DocumentImport {
  readonly deps: BundleDeps;
  readonly tenant: Tenant;
  readonly defaults: NoteDefaults;
  readonly cache: ResolvedReferences;
}

/**
 * The resources of a file that is one note: its DocumentReference with the words inline, and, where the file is more
 * than words, a Binary that keeps it as it came. A scan without words is kept too.
 * @throws Fault where the file is not what it seems to be, or names a patient who is not here
 */
export async function documentFile(
  format: InputFormat,
  file: SourceFile,
  { deps, tenant, defaults, cache }: DocumentImport,
): Promise<Resource[]> {
  const contentType = CONTENT_TYPES[format];
  if (!contentType) throw new Fault('internal', 'The format is no document.');
  const bytes = await readWhole(file.open(), MAX_ORIGINAL_BYTES);
  const extracted = await extractText(bytes, contentType);
  const text = extracted?.text ?? '';
  const plain = format === 'note-text';
  const note = { ...(await readSidecar(file)), text: plain || text.trim() !== '' ? text : SCAN };
  const document = await noteResource(deps, tenant, note, defaults, resolve(file.path), cache);
  return plain ? [document] : withOriginal(document, text, { bytes, contentType });
}

/** Stands for the words of a document that has none; replaced by the original before anything is stored. */
const SCAN = '-';
