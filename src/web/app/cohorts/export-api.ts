import { ApiError, session } from '../api.js';

/** A file of a finished export. */
export interface ExportFile {
  readonly name: string;
  /** Path on this server. */
  readonly path: string;
  readonly count: number | undefined;
}

export interface Export {
  readonly files: readonly ExportFile[];
  readonly reports: readonly ExportFile[];
}

const REPORT = 'https://cenote.health/fhir/quality-report';
const DEIDENTIFICATION = 'https://cenote.health/fhir/deidentification-report';
const FIRST_WAIT_MS = 500;
const MAX_WAIT_MS = 5_000;

/** Starts an export and waits for its files; `progress` is told what the server says meanwhile. */
export async function runExport(
  path: string,
  parameters: object[],
  signal: AbortSignal,
  progress: (text: string) => void,
): Promise<Export> {
  const kickOff = await ask(path, signal, {
    method: 'POST',
    headers: { prefer: 'respond-async', 'content-type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Parameters', parameter: parameters }),
  });
  const location = kickOff.headers.get('content-location');
  if (!location) throw new ApiError(kickOff.status, 'The server did not say where the export will be.');
  const status = pathOf(location);
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 1.5, MAX_WAIT_MS)) {
    const answer = await ask(status, signal);
    if (answer.status !== 202) return filesOf(await answer.json());
    progress(answer.headers.get('x-progress') ?? '');
    await new Promise((resolve) => setTimeout(resolve, wait));
    signal.throwIfAborted();
  }
}

interface Manifest {
  output?: { type?: string; url: string; count?: number }[];
  extension?: Record<string, { url: string }[]>;
  parameter?: {
    name: string;
    valueUri?: string;
    part?: { name: string; valueString?: string; valueUri?: string; rows?: number; valueInteger?: number }[];
  }[];
}

/** Of Bulk Data's manifest, or of the Parameters that tables are told by. */
function filesOf(manifest: Manifest): Export {
  const tables = (manifest.parameter ?? [])
    .filter((p) => p.name === 'output')
    .map(({ part = [] }) => {
      const of = (name: string) => part.find((p) => p.name === name);
      const path = pathOf(of('location')?.valueUri ?? '');
      return { name: path.split('/').at(-1)!, path, count: of('rows')?.valueInteger };
    });
  const named = (url: string, count?: number): ExportFile => {
    const path = pathOf(url);
    return { name: path.split('/').at(-1)!, path, count };
  };
  return {
    files: [...(manifest.output ?? []).map((o) => named(o.url, o.count)), ...tables],
    reports: [
      ...(manifest.extension?.[REPORT] ?? []).map((r) => named(r.url)),
      ...(manifest.extension?.[DEIDENTIFICATION] ?? []).map((r) => named(r.url)),
      ...(manifest.parameter ?? [])
        .filter((p) => p.name === 'qualityReport' || p.name === 'deidentificationReport')
        .map((p) => named(p.valueUri ?? '')),
    ],
  };
}

/** What is behind a path of this server, with the caller's token. */
export async function fetchFile(path: string, signal?: AbortSignal): Promise<Response> {
  return ask(path, signal);
}

/** Puts a file of an export where the browser keeps what was downloaded. */
export async function download(file: ExportFile): Promise<void> {
  const url = URL.createObjectURL(await (await fetchFile(file.path)).blob());
  const link = document.createElement('a');
  link.href = url;
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function ask(path: string, signal: AbortSignal | undefined, init: RequestInit = {}): Promise<Response> {
  const { token, tenant } = session();
  const url = path.startsWith('/') ? path : `/fhir/${encodeURIComponent(tenant)}/${path}`;
  let answer: Response;
  try {
    answer = await fetch(url, {
      ...init,
      signal,
      headers: {
        accept: 'application/fhir+json, */*',
        ...init.headers,
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'The server cannot be reached. Check that it runs, then try again.');
  }
  if (answer.ok) return answer;
  const outcome = await answer.json().catch(() => undefined);
  const issue = outcome?.issue?.[0];
  throw new ApiError(
    answer.status,
    issue?.diagnostics ?? issue?.details?.text ?? `The server answered ${answer.status}.`,
  );
}

/** Links name the server as others reach it; the page asks its own origin. */
const pathOf = (link: string): string => new URL(link, location.href).pathname;
