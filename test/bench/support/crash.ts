import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/core/package-root.js';
import type { Resource } from '../../../src/core/resource.js';
import { LEASE_MS } from '../../../src/jobs/job.js';
import type { Jobs } from '../../../src/jobs/jobs.js';
import type { Store } from '../../../src/store/contract.js';
import type { AnnotateDeps } from '../../../src/tasks/annotate.js';
import { drainAnnotations } from '../../../src/tasks/annotate.js';
import type { BundleDeps } from '../../../src/tasks/bundle.js';
import { runImport } from '../../../src/tasks/import.js';
import type { ImportReport } from '../../../src/tasks/import-report.js';
import type { Tenant } from '../../../src/tenancy/tenant.js';
import { generatedNotes } from './generated-notes.js';
import { recordsOf } from './records.js';

/** What a crash trial needs of the system. */
export interface CrashSystem {
  readonly store: Store;
  readonly jobs: Jobs;
  readonly bundles: BundleDeps;
  baseOf(tenant: Tenant): string;
  annotation(): Promise<AnnotateDeps>;
  /** Makes and opens a tenant. */
  tenant(name: string): Promise<Tenant>;
  /** Environment by which the command reaches the same databases and keys. */
  readonly env: Readonly<Record<string, string>>;
}

export interface CrashTrial {
  /** ms between the claim of the job and the kill. */
  readonly afterMs: number;
  /** Resources the ledger knew of when it was killed. */
  readonly known: number;
  /** Whether the job ended before it could be killed. */
  readonly ended: boolean;
  readonly equal: boolean;
  /** Whether accepted and refused make what was in the files. */
  readonly addsUp: boolean;
}

/** Files of every kind that an import reads in parts: bulk lines, bundles, a table of notes, bad lines among them. */
export function crashInput(folder: string, patients: number, notes: number): { lines: number; bad: number } {
  mkdirSync(folder, { recursive: true });
  const byType = new Map<string, string[]>();
  let lines = 0;
  let bad = 0;
  for (let n = 0; n < patients; n++) {
    const records = recordsOf(n, 3);
    lines += records.length;
    if (n % 10 === 0) {
      const entry = records.map((resource) => ({
        fullUrl: `urn:uuid:${resource.id}`,
        resource,
        request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
      }));
      const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
      writeFileSync(join(folder, `patient-${n}.json`), JSON.stringify(bundle));
      continue;
    }
    for (const resource of records) {
      const list = byType.get(resource.resourceType) ?? [];
      byType.set(resource.resourceType, list);
      list.push(JSON.stringify(resource));
    }
  }
  for (const [type, list] of byType) {
    for (let at = 50; at < list.length; at += 997) {
      list.splice(at, 0, '{"resourceType":"Patient","gender":"of no code"}');
      bad++;
    }
    writeFileSync(join(folder, `${type}.ndjson`), `${list.join('\n')}\n`);
  }
  const subject = `Patient/${recordsOf(1, 1)[0]!.id}`;
  const rows = generatedNotes(notes).map((text, i) =>
    JSON.stringify({ id: `note-${i}`, patient: subject, text }),
  );
  writeFileSync(join(folder, 'notes.jsonl'), `${rows.join('\n')}\n`);
  return { lines: lines + bad + notes, bad };
}

/** Runs `cenote import` as a process of its own. */
function startImport(system: CrashSystem, folder: string, tenant: string): ChildProcess {
  const main = join(packageRoot(), 'dist', 'src', 'cli', 'main.js');
  return spawn(process.execPath, [main, 'import', folder, '--tenant', tenant, '--quiet'], {
    env: { ...process.env, ...system.env },
    stdio: 'ignore',
  });
}

const sleep = (ms: number) => new Promise((resume) => setTimeout(resume, ms));

async function claimed(system: CrashSystem, tenant: Tenant): Promise<string> {
  for (let i = 0; i < 3_000; i++) {
    const [job] = await system.jobs.list(tenant, 'import');
    if (job && job.state !== 'queued') return job.id;
    await sleep(10);
  }
  throw new Error('The import did not start.');
}

/** Imports without being disturbed. @returns how long the job took, and what is there afterwards */
export async function undisturbed(
  system: CrashSystem,
  folder: string,
): Promise<{ ms: number; digest: string }> {
  const tenant = await system.tenant('undisturbed');
  const child = startImport(system, folder, 'undisturbed');
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await claimed(system, tenant);
  const from = performance.now();
  await ended;
  return { ms: performance.now() - from, digest: await contentDigest(system.store, tenant) };
}

/** Kills an import so many ms after its claim, lets another process go on with it, and compares what came of it. */
export async function crashOnce(
  system: CrashSystem,
  input: { readonly folder: string; readonly lines: number },
  name: string,
  afterMs: number,
  expected: string,
): Promise<CrashTrial> {
  const tenant = await system.tenant(name);
  const child = startImport(system, input.folder, name);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const id = await claimed(system, tenant);
  await sleep(afterMs);
  child.kill('SIGKILL');
  await gone;
  const { rows } = await tenant.pool.query(
    `select coalesce(sum((counts->>'resources')::int), 0)::int as known from import_file`,
  );
  const before = await system.jobs.get(tenant, id);
  // What passes by itself within two minutes: the leases of the process that died.
  await tenant.pool.query('update annotation set lease_until = 0 where state = 1');
  let report: ImportReport | undefined;
  if (before.state !== 'done') {
    const job = await system.jobs.claim(tenant, id);
    // Called on a clock that is behind, the heartbeat shortens no lease: it is over before the next.
    report = await runImport(
      { jobs: system.jobs, bundle: system.bundles, clock: { now: Date.now } },
      tenant,
      job,
      {
        base: system.baseOf(tenant),
      },
    );
    await drainAnnotations(await system.annotation(), tenant);
  } else report = await system.jobs.result<ImportReport>(tenant, id);
  const counts = report!.resources;
  return {
    afterMs,
    known: Number((rows[0] as { known: number }).known),
    ended: before.state === 'done',
    equal: (await contentDigest(system.store, tenant)) === expected,
    addsUp: counts.created + counts.updated + counts.unchanged + counts.rejected === input.lines,
  };
}

/** A clock on which every lease of before has run out. */
export const AHEAD_MS = LEASE_MS * 2;

const DERIVED = 'https://cenote.health/fhir/CodeSystem/origin';

/**
 * Digest of everything that is current: type, id, version and content. Times of writing differ between two runs, and
 * ids of derived facts between two tenants, so they are left out.
 */
export async function contentDigest(store: Store, tenant: Tenant): Promise<string> {
  const lines: string[] = [];
  for await (const batch of store.scan(tenant, {})) {
    for (const resource of batch) {
      const { lastUpdated: _, ...meta } = resource.meta;
      const tags = (meta.tag as { system?: string }[] | undefined) ?? [];
      const content: Record<string, unknown> = { ...resource, meta };
      if (tags.some(({ system }) => system === DERIVED)) {
        delete content.id;
        delete content.recorded;
        if (Array.isArray(content.target)) content.target = content.target.length;
      }
      lines.push(
        createHash('sha256')
          .update(JSON.stringify(content as Resource))
          .digest('hex'),
      );
    }
  }
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}
