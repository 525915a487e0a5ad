import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from '../../src/config.js';
import { openSystem, type System } from '../../src/system.js';
import { busyPatient } from './support/busy-patient.js';
import { line } from './support/figure.js';

const BATCH = 4_000;
const PAGE = 1_000;
const actor = { id: 'bench', kind: 'job' as const };

/**
 * `cenote bench timeline [--events 1000,8000,32000] [--rounds 5] [--data-dir FOLDER] [--page]`: how long a patient's timeline
 * takes from the request to the last byte, over HTTP on this machine, compressed: the first page of 1,000 events, all
 * pages one after the other, and the outline that the page draws from, with its first line. Median of the rounds, and
 * the process's own CPU time. With `--page` also what a reader waits for in Chromium, where it is found: from a click on
 * the patient to the lanes drawn as bands, and to all events drawn. With a data folder the tenants are kept and used again.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      events: { type: 'string', default: '1000,8000,32000' },
      rounds: { type: 'string', default: '5' },
      'data-dir': { type: 'string' },
      only: { type: 'string' },
      page: { type: 'boolean', default: false },
    },
  });
  const dataDir = values['data-dir'] ?? mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  try {
    const system = await openSystem(
      readConfig({ dataDir, port: 0 }, { ...process.env, CENOTE_DATA_DIR: dataDir }),
    );
    const serving = await system.serve({ version: '0', dev: true });
    try {
      for (const events of values.events.split(',').map(Number)) {
        const { name, patient } = await tenantOf(system, events);
        const path = `http://127.0.0.1:${serving.port}/fhir/${name}/Patient/${patient}`;
        for (const [figure, ask] of Object.entries(WAYS))
          if (!values.only || figure.includes(values.only))
            await measure(figure, events, Number(values.rounds), () => ask(path));
        if (values.page) {
          const { measurePage } = await import('./support/timeline-page.js');
          await measurePage(`http://127.0.0.1:${serving.port}`, name, patient, events, Number(values.rounds));
        }
      }
    } finally {
      await serving.stop();
      await system.close();
    }
  } finally {
    if (values['data-dir'] === undefined) rmSync(dataDir, { recursive: true, force: true });
  }
}

/** A tenant with one patient of so many events. */
async function tenantOf(system: System, events: number): Promise<{ name: string; patient: string }> {
  const name = `timeline-${events}`;
  const { patient, resources } = busyPatient(events);
  if (await system.tenants.find(name)) return { name, patient };
  await system.tenants.create(name);
  const tenant = await system.tenants.open(name);
  for (let i = 0; i < resources.length; i += BATCH)
    await system.store.commit(
      tenant,
      resources.slice(i, i + BATCH).map((resource) => ({
        op: 'update',
        type: resource.resourceType,
        id: resource.id!,
        resource,
      })),
      actor,
    );
  await tenant.pool.query('vacuum analyze');
  return { name, patient };
}

/** Bytes read, as they are unpacked. */
type Ask = (path: string) => Promise<number>;

const WAYS: Readonly<Record<string, Ask>> = {
  'first page': async (path) => (await page(`${path}/$timeline?_count=${PAGE}`)).bytes,
  'all pages': async (path) => {
    let bytes = 0;
    for (let link: string | undefined = `${path}/$timeline?_count=${PAGE}`; link; ) {
      const answer = await page(link);
      bytes += answer.bytes;
      link = answer.next;
    }
    return bytes;
  },
  'outline, first line': (path) => outline(path, true),
  'outline, whole': (path) => outline(path, false),
};

async function outline(path: string, firstLine: boolean): Promise<number> {
  const stop = new AbortController();
  const response = await fetch(`${path}/$timeline-outline`, { signal: stop.signal });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.length;
    if (firstLine) text += value;
    if (firstLine && text.includes('\n')) {
      stop.abort();
      return text.indexOf('\n');
    }
  }
  return bytes;
}

async function page(url: string): Promise<{ bytes: number; next: string | undefined }> {
  const response = await fetch(url);
  const text = await response.text();
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const { link } = JSON.parse(text) as { link?: { relation: string; url: string }[] };
  const next = link?.find((l) => l.relation === 'next')?.url;
  // Links name the server by its configured address.
  return { bytes: text.length, next: next && new URL(url).origin + next.slice(new URL(next).origin.length) };
}

async function measure(
  figure: string,
  events: number,
  rounds: number,
  ask: () => Promise<number>,
): Promise<void> {
  let bytes = await ask();
  const times: number[] = [];
  const cpus: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const from = performance.now();
    const cpu = process.cpuUsage();
    bytes = await ask();
    times.push(performance.now() - from);
    const { user, system } = process.cpuUsage(cpu);
    cpus.push((user + system) / 1000);
  }
  const data = `${events} events of one patient`;
  line('timeline', figure, median(times), 'ms', data, `${Math.round(bytes / 1024)} KiB unpacked`);
  line('timeline', `${figure}, CPU of the server and of who asks`, median(cpus), 'ms', data);
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
