import { random } from './people.js';

/**
 * Guesses what the opaque terms of an index stand for, from how often they come and what stands beside them, by what is
 * known of a population like it. Nothing here has a key.
 */

/** A row of the dump: which opaque term it has, if any, and what else is visible of it. */
export interface Row {
  readonly cluster: string | undefined;
  /** Number of the visible features together: age and sex of the patient, size of the value, length of the name. */
  readonly cell: number;
}

/** What is known of one value beforehand. */
interface Known {
  readonly value: string;
  readonly share: number;
  /** How the value's rows spread over the cells. */
  readonly cells: readonly number[];
}

export interface Example {
  readonly value: string;
  readonly cell: number;
}

function knowledge(examples: readonly Example[], cells: number): Known[] {
  const counts = new Map<string, number[]>();
  for (const { value, cell } of examples) {
    const list = counts.get(value) ?? new Array(cells).fill(0);
    counts.set(value, list);
    list[cell]++;
  }
  return [...counts]
    .map(([value, list]) => {
      const n = list.reduce((a, b) => a + b, 0);
      // A little everywhere: what was never seen beforehand may be.
      return {
        value,
        share: n / examples.length,
        cells: list.map((c) => (c + 0.1) / (n + 0.1 * cells)),
      };
    })
    .sort((a, b) => b.share - a.share);
}

export interface Guess {
  readonly value: string | undefined;
  /** How likely it is by what is known beforehand, 0 to 1: what the attacker may rely on. */
  readonly sure: number;
}

/**
 * A guess for each row, by each way there is; the caller counts the best, as an attacker does who can check a few guesses.
 * `together` names what must be in one cluster (values that share their first letters).
 */
export function guesses(
  rows: readonly Row[],
  examples: readonly Example[],
  together: (value: string) => string = (value) => value,
): Guess[][] {
  const cells = 1 + Math.max(...rows.map((r) => r.cell), ...examples.map((e) => e.cell));
  const known = knowledge(examples, cells);
  const ways: Guess[][] = [rows.map((r) => likeliest(known, r.cell))];
  const clusters = new Map<string, number[]>();
  for (const { cluster, cell } of rows) {
    if (cluster === undefined) continue;
    const list = clusters.get(cluster) ?? new Array(cells).fill(0);
    clusters.set(cluster, list);
    list[cell]++;
  }
  if (clusters.size === 0) return ways;
  const matched = byRank(clusters, known, rows.length);
  ways.push(rows.map((r) => (r.cluster === undefined ? undefined : matched.get(r.cluster)) ?? NONE));
  if (clusters.size <= MAX_SHARED) {
    const members = byMembership(clusters, known, rows.length, together);
    ways.push(
      rows.map((r) => likeliest(r.cluster === undefined ? known : (members.get(r.cluster) ?? []), r.cell)),
    );
  }
  return ways;
}

const NONE: Guess = { value: undefined, sure: 0 };

function likeliest(known: readonly Known[], cell: number): Guess {
  let best: Known | undefined;
  let sum = 0;
  const weight = (k: Known) => k.share * k.cells[cell]!;
  for (const k of known) {
    sum += weight(k);
    if (!best || weight(k) > weight(best)) best = k;
  }
  return best ? { value: best.value, sure: weight(best) / sum } : NONE;
}

/** Most values tried for one cluster: what is rarer is told apart by nothing. */
const CANDIDATES = 300;

/** Each cluster is one value: the pairs that are most alike in frequency and in what stands beside them, best first. */
function byRank(
  clusters: ReadonlyMap<string, readonly number[]>,
  known: readonly Known[],
  total: number,
): Map<string, Guess> {
  const pairs: { cluster: string; value: string; cost: number; sure: number }[] = [];
  for (const [cluster, counts] of clusters) {
    const n = counts.reduce((a, b) => a + b, 0);
    for (const k of known.slice(0, CANDIDATES)) {
      const frequency = Math.abs(Math.log(n / total / k.share)) / Math.sqrt(1 / n + 1 / (k.share * total));
      const beside = counts.reduce((sum, c, i) => sum + Math.abs(c / n - k.cells[i]!), 0);
      pairs.push({
        cluster,
        value: k.value,
        cost: frequency + beside * Math.sqrt(n) - Math.log(n * k.share * total),
        // A value cannot be all of a cluster that has more rows than it.
        sure: Math.min(1, (k.share * total) / n),
      });
    }
  }
  pairs.sort((a, b) => a.cost - b.cost);
  const found = new Map<string, Guess>();
  const taken = new Set<string>();
  for (const { cluster, value, sure } of pairs) {
    if (found.has(cluster) || taken.has(value)) continue;
    found.set(cluster, { value, sure });
    taken.add(value);
  }
  return found;
}

/** More clusters than these are values of their own. */
const MAX_SHARED = 32;
const RESTARTS = 24;
const SWEEPS = 30;

/**
 * Each cluster is several values: they are dealt out so that each cluster's rows look as its values' rows should, from
 * random beginnings, moving one at a time.
 */
function byMembership(
  clusters: ReadonlyMap<string, readonly number[]>,
  known: readonly Known[],
  total: number,
  together: (value: string) => string,
): Map<string, Known[]> {
  const names = [...clusters.keys()];
  const observed = names.map((name) => clusters.get(name)!.map((c) => c / total));
  const cells = observed[0]!.length;
  const groups = new Map<string, Known[]>();
  for (const k of known) {
    const group = groups.get(together(k.value));
    if (group) group.push(k);
    else groups.set(together(k.value), [k]);
  }
  const dealt = [...groups.values()].map((of) => ({
    of,
    mass: Array.from({ length: cells }, (_, c) => of.reduce((sum, k) => sum + k.share * k.cells[c]!, 0)),
  }));
  const r = random(7);
  let best: { cost: number; places: number[] } | undefined;
  for (let restart = 0; restart < RESTARTS; restart++) {
    const places = dealt.map(() => Math.floor(r() * names.length));
    const rest = observed.map((list) => [...list]);
    const take = (at: number, mass: readonly number[], sign: number) => {
      for (let c = 0; c < cells; c++) rest[at]![c]! -= sign * mass[c]!;
    };
    const cost = (at: number) =>
      rest[at]!.reduce((sum, x, c) => sum + (x * x) / (observed[at]![c]! + 1e-4), 0);
    dealt.forEach(({ mass }, i) => {
      take(places[i]!, mass, 1);
    });
    for (let sweep = 0, moved = true; moved && sweep < SWEEPS; sweep++) {
      moved = false;
      dealt.forEach(({ mass }, i) => {
        const from = places[i]!;
        take(from, mass, -1);
        let to = from;
        let least = Number.POSITIVE_INFINITY;
        for (let at = 0; at < names.length; at++) {
          const before = cost(at);
          take(at, mass, 1);
          const change = cost(at) - before;
          take(at, mass, -1);
          if (change < least - 1e-12) {
            least = change;
            to = at;
          }
        }
        take(to, mass, 1);
        if (to !== from) moved = true;
        places[i] = to;
      });
    }
    const sum = names.reduce((all, _, at) => all + cost(at), 0);
    if (!best || sum < best.cost) best = { cost: sum, places };
  }
  const members = new Map<string, Known[]>(names.map((name) => [name, []]));
  dealt.forEach(({ of }, i) => {
    members.get(names[best!.places[i]!]!)!.push(...of);
  });
  return members;
}
