import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { INDEX_PRIVACY_LEVELS, type IndexPrivacy } from '../../src/core/blind.js';
import { systemClock } from '../../src/core/clock.js';
import { findSearchParameter } from '../../src/fhir/registry.js';
import { typeNumber } from '../../src/fhir/resource-types.js';
import { fold, term } from '../../src/indexing/index.js';
import { createSearch, type Search } from '../../src/search/search.js';
import type { Write } from '../../src/store/contract.js';
import { createStore } from '../../src/store/index.js';
import { openTenants } from '../../src/tenancy/catalog.js';
import { openKeyFiles } from '../../src/tenancy/key-file.js';
import { removeEmbedded } from '../../src/tenancy/postgres/embedded.js';
import { makeDataDir } from '../../src/tenancy/postgres/place.js';
import { embeddedServer } from '../../src/tenancy/server.js';
import type { Tenant } from '../../src/tenancy/tenant.js';
import { type Example, guesses, type Row } from './support/attack.js';
import { type Person, people, resourcesOf } from './support/people.js';

const BASE = 'http://localhost/fhir';
const BATCH = 4_000;

/**
 * `cenote bench leak [--patients N] [--draws N]`: what a dump of the index tables gives away at each level of index privacy. Made-up
 * people with public frequencies of diagnoses, tests, ages and names; the attacker has the tables, knows how they are
 * made and which opaque terms belong to which parameter, and a second population of the same kind, but no key. For each
 * level the share of rows whose code, and of patients whose birth date, name and sex are guessed, beside what guessing
 * the commonest gives, and the share that is guessed rightly and with a likelihood of 0.9 by what is known beforehand; and what the level costs: milliseconds of some searches, the middle of five. Which values share a term is drawn with
 * the key: `--draws` tries several tenants of level `bucketed`.
 */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { patients: { type: 'string', default: '3000' }, draws: { type: 'string', default: '1' } },
  });
  const victims = people(Number(values.patients), 1);
  const known = people(Number(values.patients), 2);
  const dataDir = mkdtempSync(join(tmpdir(), 'cenote-bench-'));
  makeDataDir(dataDir);
  const server = await embeddedServer(dataDir);
  const keys = openKeyFiles(join(dataDir, 'keys'));
  const tenants = await openTenants({ server: server.address, keys, clock: systemClock });
  const store = createStore({ clock: systemClock, base: BASE });
  try {
    const draws = Array.from({ length: Number(values.draws) }, (_, i) => i);
    for (const [indexPrivacy, draw] of INDEX_PRIVACY_LEVELS.flatMap((level) =>
      draws.filter((i) => i === 0 || level === 'bucketed').map((i) => [level, i] as const),
    )) {
      const name = `${indexPrivacy}-${draw}`;
      await tenants.create(name, { indexPrivacy });
      const tenant = await tenants.open(name);
      const writes = victims.flatMap((person) =>
        resourcesOf(person).map(
          (resource): Write => ({ op: 'update', type: resource.resourceType, id: resource.id!, resource }),
        ),
      );
      for (let i = 0; i < writes.length; i += BATCH)
        await store.commit(tenant, writes.slice(i, i + BATCH), { id: 'bench', kind: 'job' });
      await tenant.pool.query('analyze');
      await attack(indexPrivacy, tenant, victims, known);
      if (draw === 0) await costs(indexPrivacy, tenant, createSearch({ store, clock: systemClock }), victims);
    }
  } finally {
    await tenants.close();
    await server.close();
    await removeEmbedded(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
  }
}

const ROUNDS = 5;

/** What searches cost at the level. */
async function costs(
  level: IndexPrivacy,
  tenant: Tenant,
  search: Search,
  victims: readonly Person[],
): Promise<void> {
  const [one] = victims;
  const asked: readonly (readonly [name: string, type: string, query: string])[] = [
    ['by id', 'Patient', `_id=${one!.id}`],
    ['diagnoses of a patient', 'Condition', `patient=${one!.id}`],
    ['one diagnosis of a patient', 'Condition', `patient=${one!.id}&code=I10`],
    ['a page of a diagnosis', 'Condition', 'code=E11.9&_count=20'],
    ['number of a diagnosis', 'Condition', 'code=E11.9&_summary=count'],
    ['a page of a name', 'Patient', `family=${one!.family}&_count=20`],
    ['born on a day', 'Patient', `birthdate=${one!.birthDate}`],
    ['a page of tests by date', 'Observation', 'code=4548-4&_sort=-date&_count=20'],
    ['who had a test', 'Patient', '_has:Observation:patient:code=4548-4&_count=20'],
  ];
  for (const [name, type, query] of asked) {
    const times: number[] = [];
    let found = 0;
    for (let i = 0; i < ROUNDS; i++) {
      const from = performance.now();
      const page = await search.search(tenant, {
        type,
        params: [...new URLSearchParams(query)],
        strict: true,
        base: `${BASE}/${tenant.record.name}`,
      });
      times.push(performance.now() - from);
      found = page.total ?? page.entries.length;
    }
    times.sort((a, b) => a - b);
    const ms = Number(times[Math.floor(ROUNDS / 2)]!.toPrecision(3));
    process.stdout.write(
      `${JSON.stringify({ bench: 'leak', level, figure: name, value: ms, unit: 'ms', data: `${found} found` })}\n`,
    );
  }
}

interface Dump {
  /** By hashed id. */
  readonly terms: ReadonlyMap<bigint, ReadonlySet<bigint>>;
  readonly patientOf: ReadonlyMap<bigint, bigint>;
  readonly dates: ReadonlyMap<bigint, { lo: number; hi: number }>;
  readonly values: ReadonlyMap<bigint, number>;
}

/** Everything of the index that the cases use, as it stands in the tables. */
async function dumpOf(tenant: Tenant): Promise<Dump> {
  const read = async (text: string) => (await tenant.pool.query(text)).rows;
  const resources = await read('select rid, pkey, terms from resource');
  const key = (v: unknown) => BigInt(String(v));
  return {
    terms: new Map(resources.map((r) => [key(r.rid), new Set((r.terms as unknown[]).map(key))])),
    patientOf: new Map(resources.map((r) => [key(r.rid), key(r.pkey ?? 0)])),
    dates: new Map(
      (await read(`select rid, lo, hi from idx_date where rtype = ${typeNumber('Patient')}`)).map((r) => [
        key(r.rid),
        { lo: Number(r.lo), hi: Number(r.hi) },
      ]),
    ),
    values: new Map(
      (await read(`select rid, lo from idx_quantity where rtype = ${typeNumber('Observation')}`)).map((r) => [
        key(r.rid),
        Number(r.lo),
      ]),
    ),
  };
}

const DECADES = 11;
const TODAY_YEAR = 2026;

async function attack(
  level: IndexPrivacy,
  tenant: Tenant,
  victims: readonly Person[],
  known: readonly Person[],
): Promise<void> {
  const { keys } = tenant;
  const context = { blind: keys.blind, base: `${BASE}/${tenant.record.name}` };
  const dump = await dumpOf(tenant);
  /** The terms of a parameter, whose meaning the attacker does not know. */
  const termsOf = (
    type: string,
    code: string,
    kind: 'systemCode' | 'exact' | 'code',
    of: readonly string[][],
  ) => {
    const parameter = findSearchParameter(type, code)!;
    if (level === 'none') return [];
    return level === 'exact'
      ? [...new Set(of.map((parts) => term(context, kind, parameter, ...parts)))]
      : Array.from({ length: 16 }, (_, i) => term(context, 'bucket', parameter, String(i)));
  };
  const clusterOf = (rid: bigint, terms: readonly bigint[]): string | undefined => {
    const has = dump.terms.get(rid)!;
    const found = terms.filter((t) => has.has(t));
    return found.length === 0 ? undefined : found.join();
  };
  const line = (figure: string, of: string, share: number, more: object) =>
    process.stdout.write(
      `${JSON.stringify({ bench: 'leak', level, figure, value: Number(share.toPrecision(3)), unit: `share of ${of}`, ...more, data: `${victims.length} made-up patients` })}\n`,
    );
  const show = (what: string, of: string, rightShare: number, baseline: number) =>
    line(`${what} recovered`, of, rightShare, { baseline: Number(baseline.toPrecision(3)) });
  const showNamed = (what: string, of: string, { named }: Recovered) =>
    line(`${what} named with confidence`, of, named, { confidence: CONFIDENT });

  // Sex: two terms, and there are more women.
  const sexTerms = termsOf('Patient', 'gender', 'code', [['female'], ['male']]);
  const pids = victims.map((p) => keys.rid('Patient', p.id));
  const sexes = best(
    pids.map((rid) => ({ cluster: clusterOf(rid, sexTerms), cell: 0 })),
    known.map((p) => ({ value: p.gender, cell: 0 })),
    victims.map((p) => p.gender),
  );
  show(
    'sex',
    'patients',
    sexes.share,
    modeShare(
      known.map((p) => p.gender),
      victims.map((p) => p.gender),
    ),
  );
  showNamed('sex', 'patients', sexes);
  const sexCell = new Map(pids.map((rid, i) => [rid, sexes.guess[i] === 'male' ? 1 : 0]));

  // Birth date: the row, or the day most are born on within what it leaves.
  const born = pids.map((rid) => dump.dates.get(rid));
  const days = modeOf(known.map((p) => p.birthDate));
  const dateRight = victims.filter(({ birthDate }, i) => {
    const row = born[i];
    return (row ? new Date(row.lo).toISOString().slice(0, 10) : days) === birthDate;
  }).length;
  show(
    'birth date',
    'patients',
    dateRight / victims.length,
    modeShare(
      known.map((p) => p.birthDate),
      victims.map((p) => p.birthDate),
    ),
  );
  const decadeOf = (year: number) => Math.min(DECADES - 1, Math.floor((TODAY_YEAR - year) / 10));
  const ageCell = new Map(
    pids.map((rid, i) => [rid, born[i] ? decadeOf(new Date(born[i].lo).getUTCFullYear()) : 0]),
  );
  const seesAge = born.some(Boolean);
  const seesSex = sexes.seen;

  // Family names: how often, and how many beginnings each has.
  const family = findSearchParameter('Patient', 'family')!;
  const names = [...new Set(victims.map((p) => p.family))];
  const familyTerms = termsOf(
    'Patient',
    'family',
    'exact',
    names.map((n) => [n]),
  );
  const byTerm = new Set(familyTerms);
  const lengthOf = (name: string) => (level === 'exact' ? Math.min(fold(name).length, 16) : 0);
  const prefixes = new Map(names.map((n) => [term(context, 'exact', family, n), lengthOf(n)] as const));
  const nameRows: Row[] = pids.map((rid) => {
    const cluster = [...dump.terms.get(rid)!].filter((t) => byTerm.has(t));
    return {
      cluster: cluster.length === 0 ? undefined : cluster.join(),
      cell: level === 'exact' && cluster[0] !== undefined ? prefixes.get(cluster[0])! : 0,
    };
  });
  const nameGuess = best(
    nameRows,
    known.map((p) => ({ value: p.family, cell: lengthOf(p.family) })),
    victims.map((p) => p.family),
    (name) => fold(name).slice(0, 2),
  );
  show(
    'family name',
    'patients',
    nameGuess.share,
    modeShare(
      known.map((p) => p.family),
      victims.map((p) => p.family),
    ),
  );

  showNamed('family name', 'patients', nameGuess);

  // Diagnoses: how often, and at what age and in which sex.
  const cell = (age: number, sex: number) => (seesAge ? age : 0) * 2 + (seesSex ? sex : 0);
  const conditions = victims.flatMap((p) =>
    p.conditions.map((c, i) => ({ person: p.id, code: c.code, rid: keys.rid('Condition', `${p.id}-c${i}`) })),
  );
  const icd = 'http://hl7.org/fhir/sid/icd-10-cm';
  const codeTerms = termsOf(
    'Condition',
    'code',
    'systemCode',
    conditions.map((c) => [icd, c.code]),
  );
  const diagnosis = best(
    conditions.map(({ rid }) => {
      const patient = dump.patientOf.get(rid)!;
      return { cluster: clusterOf(rid, codeTerms), cell: cell(ageCell.get(patient)!, sexCell.get(patient)!) };
    }),
    known.flatMap((p) =>
      p.conditions.map(({ code }) => ({
        value: code,
        cell: cell(decadeOf(Number(p.birthDate.slice(0, 4))), p.gender === 'male' ? 1 : 0),
      })),
    ),
    conditions.map((c) => c.code),
  );
  const publicCodes = known.flatMap((p) => p.conditions.map((c) => c.code));
  show(
    'diagnosis',
    'conditions',
    diagnosis.share,
    modeShare(
      publicCodes,
      conditions.map((c) => c.code),
    ),
  );
  showNamed('diagnosis', 'conditions', diagnosis);
  const wrong = new Set(conditions.filter((c, i) => diagnosis.guess[i] !== c.code).map((c) => c.person));
  const mode = modeOf(publicCodes);
  show(
    'every diagnosis',
    'patients',
    victims.filter((p) => !wrong.has(p.id)).length / victims.length,
    victims.filter((p) => p.conditions.every((c) => c.code === mode)).length / victims.length,
  );

  // Tests: how often, and of what size their values are.
  const sizeOf = (value: number) =>
    level === 'exact' ? Math.max(0, Math.round(2 * Math.log2(value)) + 8) : 0;
  const tests = victims.flatMap((p) =>
    p.values.map((v, i) => ({ code: v.code, rid: keys.rid('Observation', `${p.id}-o${i}`) })),
  );
  const loinc = 'http://loinc.org';
  const testTerms = termsOf(
    'Observation',
    'code',
    'systemCode',
    tests.map((t) => [loinc, t.code]),
  );
  const measured = best(
    tests.map(({ rid }) => {
      const value = dump.values.get(rid);
      return { cluster: clusterOf(rid, testTerms), cell: value === undefined ? 0 : sizeOf(value) };
    }),
    known.flatMap((p) => p.values.map(({ code, value }) => ({ value: code, cell: sizeOf(value) }))),
    tests.map((t) => t.code),
  );
  show(
    'test',
    'observations',
    measured.share,
    modeShare(
      known.flatMap((p) => p.values.map((v) => v.code)),
      tests.map((t) => t.code),
    ),
  );
  showNamed('test', 'observations', measured);
}

interface Recovered {
  readonly guess: (string | undefined)[];
  readonly share: number;
  /** The same of guesses that the attacker himself may rely on. */
  readonly named: number;
  readonly seen: boolean;
}

/** From here on a guess counts as made with confidence. */
const CONFIDENT = 0.9;

/** The guesses of the way that is right most often, how often, and how often with confidence by the best way for that. */
function best(
  rows: readonly Row[],
  examples: readonly Example[],
  truth: readonly string[],
  together?: (value: string) => string,
): Recovered {
  let found: { guess: (string | undefined)[]; share: number } | undefined;
  let named = 0;
  for (const way of guesses(rows, examples, together)) {
    const right = way.filter(({ value }, i) => value === truth[i]);
    const share = right.length / truth.length;
    named = Math.max(named, right.filter(({ sure }) => sure >= CONFIDENT).length / truth.length);
    if (!found || share > found.share) found = { guess: way.map(({ value }) => value), share };
  }
  return { ...found!, named, seen: rows.some((r) => r.cluster !== undefined) };
}

function modeOf(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const v of values) counts.set(v, (counts.get(v) ?? 0) + 1);
  return [...counts].reduce((a, b) => (b[1] > a[1] ? b : a))[0];
}

/** How often the value that is commonest beforehand is right. */
function modeShare(known: readonly string[], truth: readonly string[]): number {
  const mode = modeOf(known);
  return truth.filter((v) => v === mode).length / truth.length;
}
