import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { parseJson, stringifyJson } from '../../src/core/json.js';
import type { Resource } from '../../src/core/resource.js';
import { checkResource } from '../../src/fhir/check.js';
import { mapReferences } from '../../src/fhir/references.js';
import { validateResource } from '../../src/fhir/validate.js';
import { type IndexContext, type IndexRows, indexResource } from '../../src/indexing/index.js';
import { createSipHash } from '../../src/tenancy/siphash.js';
import { line } from './support/figure.js';
import { recordsOf } from './support/records.js';

const VISITS = 12;
const ROUNDS = 5;

/**
 * `cenote bench indexing [--resources N] [--data FOLDER]`: what one resource costs on its way to the store, on one
 * thread, by step: lossless parse, check, references, index rows. FOLDER holds bundles; made-up records otherwise.
 * Each figure is the best of several rounds in CPU time; `ratio` figures compare with `JSON.parse` in the same run.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { resources: { type: 'string', default: '10000' }, data: { type: 'string' } },
  });
  const resources = values.data
    ? load(values.data, Number(values.resources))
    : madeUp(Number(values.resources));
  const texts = resources.map((r) => JSON.stringify(r));
  const bytes = texts.reduce((sum, t) => sum + t.length, 0) / texts.length;
  const data = `${values.data ? 'bundles' : 'made-up records'}, ${resources.length} resources, ${Math.round(bytes)} bytes each`;
  const context: IndexContext = {
    blind: createSipHash(new Uint8Array(16)).text,
    base: 'http://localhost/fhir/bench',
  };
  const sink: unknown[] = [];
  const cost = (work: (resource: Resource, i: number) => unknown) => microseconds(resources, work, sink);

  const native = cost((_r, i) => JSON.parse(texts[i]!));
  const report = (figure: string, value: number) => {
    line('indexing', figure, value, 'µs/resource', data);
    line('indexing', `${figure}-ratio`, value / native, 'of JSON.parse', data);
  };
  line('indexing', 'native-parse', native, 'µs/resource', data);
  report(
    'parse',
    cost((_r, i) => parseJson(texts[i]!)),
  );
  report(
    'stringify',
    cost((r) => stringifyJson(r)),
  );
  report(
    'check',
    cost((r) => checkResource(r, { conditionalReferences: true })),
  );
  report(
    'validate',
    cost((r) => validateResource(r, 'strict', { conditionalReferences: true })),
  );
  report(
    'references',
    cost((r) => mapReferences(r, (reference) => (reference === '' ? 'x' : undefined))),
  );
  report(
    'index',
    cost((r) => indexResource(r, context)),
  );
  const rows = resources.map((r) => indexResource(r, context));
  const mean = (of: (r: IndexRows) => number) => rows.reduce((sum, r) => sum + of(r), 0) / rows.length;
  line(
    'indexing',
    'terms',
    mean((r) => r.terms.length),
    'a resource',
    data,
  );
  line(
    'indexing',
    'date-rows',
    mean((r) => r.dates.length),
    'a resource',
    data,
  );
  line(
    'indexing',
    'quantity-rows',
    mean((r) => r.quantities.length),
    'a resource',
    data,
  );
  line(
    'indexing',
    'reference-rows',
    mean((r) => r.references.length),
    'a resource',
    data,
  );
  line(
    'indexing',
    'sorted-rows',
    mean((r) => r.sorted.length),
    'a resource',
    data,
  );
}

/** CPU time of one call, the best of some rounds; results are kept so that no call is optimised away. */
function microseconds(
  resources: readonly Resource[],
  work: (r: Resource, i: number) => unknown,
  sink: unknown[],
): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < resources.length; i++) sink[i & 255] = work(resources[i]!, i);
    const used = process.cpuUsage(start);
    best = Math.min(best, (used.user + used.system) / resources.length);
  }
  return best;
}

function madeUp(count: number): Resource[] {
  const out: Resource[] = [];
  for (let patient = 0; out.length < count; patient++) out.push(...recordsOf(patient, VISITS));
  return out.slice(0, count);
}

function load(folder: string, count: number): Resource[] {
  if (!existsSync(folder)) throw new Error('there is no such folder of bundles');
  const out: Resource[] = [];
  for (const file of readdirSync(folder).sort()) {
    if (out.length >= count) break;
    const raw = readFileSync(join(folder, file));
    const bundle = parseJson((file.endsWith('.gz') ? gunzipSync(raw) : raw).toString('utf8')) as {
      entry?: { fullUrl?: string; resource?: Resource }[];
    };
    const local = new Map(
      (bundle.entry ?? []).map((e) => [e.fullUrl, `${e.resource?.resourceType}/${e.resource?.id}`]),
    );
    for (const { resource } of bundle.entry ?? []) {
      if (resource) out.push(mapReferences(resource, (reference) => local.get(reference)));
    }
  }
  return out.slice(0, count);
}
