import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Fault, invalid } from '../core/fault.js';
import { archiveFiles, isArchiveName } from '../ingest/archive.js';
import { checkRemote, type RemotePolicy, remoteFile } from '../ingest/remote.js';
import { type DocumentSource, localSource, type SourceFile } from '../ingest/source.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { uploadedFile } from './import-upload.js';

/** Inputs of one import through the API. */
export const MAX_INPUTS = 10_000;

/** One input of an import that came through the API. */
export type ImportInput =
  | { readonly kind: 'url'; readonly url: string; readonly type?: string }
  | { readonly kind: 'binary'; readonly id: string; readonly type?: string }
  | { readonly kind: 'upload'; readonly id: string; readonly name: string; readonly size: number }
  /** A folder or file that the operator opened to imports, by an address such as s3://bucket/folder. */
  | { readonly kind: 'store'; readonly uri: string };

/** A prefix of addresses and the local folder that stands for it. */
export interface ImportStore {
  /** Without a slash at its end: `s3://bucket`. */
  readonly prefix: string;
  /** Absolute. */
  readonly folder: string;
}

/** What imports through the API may read. */
export interface ImportReach extends RemotePolicy {
  readonly stores: readonly ImportStore[];
}

export interface InputDeps {
  readonly store: Store;
  readonly reach: ImportReach;
  /** Where this tenant's uploads lie. */
  readonly uploads: string;
}

/**
 * The local path an address of a store stands for. `..`, links and addresses of other folders are refused.
 * @throws Fault `invalid`, `forbidden`
 */
export async function storePath(uri: string, stores: readonly ImportStore[], at?: string): Promise<string> {
  const found = stores.find(({ prefix }) => uri === prefix || uri.startsWith(`${prefix}/`));
  let path: string | undefined;
  if (found) path = join(found.folder, uri.slice(found.prefix.length));
  else if (uri.startsWith('file:') && URL.canParse(uri)) {
    try {
      path = fileURLToPath(uri);
    } catch (cause) {
      throw new Fault('invalid', 'This file: address names no path here.', { at, cause });
    }
  }
  if (path === undefined) throw closed(at);
  const real = await realpath(path).catch(() => path);
  for (const { folder } of stores) {
    const root = await realpath(folder).catch(() => folder);
    if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return path;
  }
  throw closed(at);
}

function closed(at: string | undefined): Fault {
  return new Fault('forbidden', 'Imports may not read from that address.', {
    at,
    remedy: 'Ask the operator to map it to a folder in CENOTE_IMPORT_STORES, or upload the file.',
  });
}

/** Refuses now what an import would refuse when it runs. @throws Fault naming the input */
export async function checkInputs(inputs: readonly ImportInput[], reach: ImportReach): Promise<void> {
  if (inputs.length === 0)
    throw invalid('An import needs an input.', 'input', 'Name at least one file to import.');
  if (inputs.length > MAX_INPUTS)
    throw new Fault('too-large', `An import has at most ${MAX_INPUTS} inputs.`, { at: 'input' });
  for (const [i, input] of inputs.entries()) {
    const at = `input[${i}].url`;
    if (input.kind === 'url') checkRemote(input.url, reach, at);
    else if (input.kind === 'store') await storePath(input.uri, reach.stores, at);
  }
}

/** The inputs of an import as files. */
export function inputSource(
  { store, reach, uploads }: InputDeps,
  tenant: Tenant,
  inputs: readonly ImportInput[],
): DocumentSource {
  return {
    async files() {
      const files: SourceFile[] = [];
      for (const input of inputs) {
        const found = await filesOf(input);
        for (const file of found)
          files.push(...(isArchiveName(file.name) ? await archiveFiles(file) : [file]));
      }
      return files;
    },
  };

  async function filesOf(input: ImportInput): Promise<SourceFile[]> {
    switch (input.kind) {
      case 'url':
        // Reports name the address without what may be its signature.
        return [remoteFile(input.url, reach, withoutQuery(input.url), input.type && `${input.type}.ndjson`)];
      case 'upload':
        return [uploadedFile(tenant.keys, uploads, input)];
      case 'store':
        return localSource([await storePath(input.uri, reach.stores)]).files();
      case 'binary':
        return [await binaryFile(input.id)];
    }
  }

  async function binaryFile(id: string): Promise<SourceFile> {
    const read = await store.read(tenant, 'Binary', id);
    const { data, contentType } = (read?.resource ?? {}) as { data?: string; contentType?: string };
    const name = `${id}${EXTENSIONS[mediaType(contentType)] ?? ''}`;
    const bytes = typeof data === 'string' ? Buffer.from(data, 'base64') : undefined;
    return {
      path: `Binary/${id}`,
      name,
      size: bytes?.length ?? 0,
      open: () =>
        bytes
          ? Readable.from([bytes], { objectMode: false })
          : new Readable({
              read() {
                this.destroy(new Fault('not-found', 'There is no such Binary, or it has no data.'));
              },
            }),
    };
  }
}

export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '');
}

export function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';')[0]!.trim().toLowerCase();
}

/** File name extensions of what can be uploaded, by MIME type; what stands first where a name is made. */
export const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/fhir+ndjson': '.ndjson',
  'application/ndjson': '.ndjson',
  'application/x-ndjson': '.ndjson',
  'application/jsonl': '.jsonl',
  'application/gzip': '.ndjson.gz',
  'application/x-gzip': '.ndjson.gz',
  'application/zip': '.zip',
  'application/x-tar': '.tar',
  'application/hl7-v2': '.hl7',
  'x-application/hl7-v2+er7': '.hl7',
  'application/xml': '.xml',
  'text/xml': '.xml',
  'application/cda+xml': '.xml',
  'text/csv': '.csv',
  'text/tab-separated-values': '.tsv',
  'text/plain': '.txt',
  'text/markdown': '.md',
  'text/html': '.html',
  'application/rtf': '.rtf',
  'text/rtf': '.rtf',
  'application/pdf': '.pdf',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': '.docx',
};
