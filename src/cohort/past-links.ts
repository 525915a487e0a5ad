import { coarseLevel } from '../core/blind.js';
import { Fault } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import { parseReference } from '../fhir/references.js';
import { findSearchParameter, type SearchParameter } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import { hasCanonicalName, holdsCanonicals } from '../indexing/canonical.js';
import { valuesOf } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { conjuncts, every, optimize } from '../search/condition.js';
import { streamMatches } from '../search/fill.js';
import { parameterHash } from '../search/index-terms.js';
import { UnknownParameter } from '../search/parse.js';
import type { Binder } from '../search/render.js';
import type { PlannedSearch, Search } from '../search/search.js';
import { type Find, whereOf } from '../search/statement.js';
import { parseName } from '../search/syntax.js';
import type { Tenant } from '../tenancy/tenant.js';
import { versionsChangedSince } from './past.js';

/** Steps of chains and of `_has` followed for one cohort of the past, each counted for every type it goes to. */
const MAX_STEPS = 64;

export type Pair = readonly [name: string, value: string];

/** Parameters that ask of the resource itself, and those that ask of what it refers to or what refers to it. */
export interface Asked {
  readonly own: readonly Pair[];
  readonly links: readonly Pair[];
}

/**
 * Takes parameters apart.
 * @throws Fault `unsupported` for what would need value sets, hierarchies or expressions of then
 */
export function askedOf(params: Iterable<Pair>): Asked {
  const own: Pair[] = [];
  const links: Pair[] = [];
  for (const pair of params) {
    const parsed = parseName(pair[0]);
    if (parsed.kind !== 'leaf') links.push(pair);
    else if (parsed.code === '_filter' || /^((not-)?in|above|below)$/.test(parsed.modifier ?? ''))
      throw new Fault('unsupported', 'A cohort of the past does not know the value sets of then.', {
        at: pair[0].slice(0, 64),
        remedy: 'Leave out _filter, :in, :not-in, :above and :below, or leave out asOf.',
      });
    else own.push(pair);
  }
  return { own, links };
}

/** A search that asks of the rows that are as they were at a moment. */
export function unchangedUntil(find: Find, moment: number): Find {
  const then = { kind: 'updated', min: undefined, max: moment } as const;
  return { ...find, condition: optimize(every([...conjuncts(find.condition), then])) };
}

/**
 * Chains and `_has` as they were at a moment, step by step from their ends: what matched then (the index, of what has not
 * changed since; the version of then, of what has), and who referred to it then. Each step is a set of hashed ids in SQL;
 * only ids of what has changed since come to this process.
 */
export class PastLinks {
  readonly #context: IndexContext;
  #steps = 0;

  constructor(
    private readonly search: Search,
    private readonly tenant: Tenant,
    private readonly base: string,
    private readonly bind: Binder,
    private readonly moment: number,
  ) {
    this.#context = { blind: tenant.keys.blind, base };
  }

  /** `(select … as rid)`: resources of the type of which the chain or `_has` held. */
  async holding(type: string, [name, value]: Pair): Promise<string> {
    const parsed = parseName(name);
    if (parsed.kind === 'has') {
      const parameter = this.#reference(parsed.source, parsed.code, type, name);
      const sources = await this.#matching(parsed.source, [parsed.rest, value]);
      return this.#links(parsed.source, parameter, type, 'target', `rid in ${sources}`);
    }
    if (parsed.kind === 'leaf') throw new Fault('internal', 'No step of a chain.');
    const ways: string[] = [];
    const known = findSearchParameter(type, parsed.code);
    for (const target of parsed.target === undefined ? (known?.targets ?? []) : [parsed.target]) {
      // Without a type a chain goes to those that have the rest of it.
      const targets = await this.#matching(target, [parsed.rest, value]).catch((error: unknown) => {
        if (error instanceof UnknownParameter && parsed.target === undefined) return undefined;
        throw error;
      });
      if (targets === undefined) continue;
      const parameter = this.#reference(type, parsed.code, target, name);
      ways.push(await this.#links(type, parameter, target, 'rid', `target in ${targets}`));
    }
    if (ways.length === 0) this.#reference(type, parsed.code, type, name);
    return `(${ways.join(' union ')})`;
  }

  /** `(select … as rid)`: resources of the type that matched. */
  async #matching(type: string, pair: Pair): Promise<string> {
    if (++this.#steps > MAX_STEPS)
      throw new Fault('too-large', `The chains have more than ${MAX_STEPS} steps.`, {
        at: pair[0].slice(0, 64),
        remedy: 'Shorten them, or name the target types of their references, as in subject:Patient.name.',
        issueCode: 'too-costly',
      });
    const { own, links } = askedOf([pair]);
    if (links.length > 0) return this.holding(type, pair);
    const planned = await this.search.prepare(this.tenant, {
      type,
      params: own,
      strict: true,
      base: this.base,
    });
    const changed: bigint[] = [];
    for await (const batch of versionsChangedSince(this.tenant, typeNumber(type), this.moment)) {
      const verdicts = await planned.recheck(batch);
      changed.push(...batch.filter((_, i) => verdicts[i]).map((r) => this.#rid(r)));
    }
    return `(${await this.#unchanged(planned)} union select unnest(${this.bind.bigints(changed)}))`;
  }

  async #unchanged(planned: PlannedSearch): Promise<string> {
    const find = { ...unchangedUntil(planned.find, this.moment), order: { kind: 'row' as const } };
    if (planned.exact && !coarseLevel(this.tenant.keys.blind))
      return `select r.rid from resource r where ${whereOf(find, this.bind)}`;
    const rids: bigint[] = [];
    for await (const batch of streamMatches(planned.reader, find, planned.recheck))
      rids.push(...batch.map((r) => this.#rid(r)));
    return `select unnest(${this.bind.bigints(rids)}) as rid`;
  }

  /** One end of the references that a parameter of a type then had to another type. */
  async #links(
    source: string,
    parameter: SearchParameter,
    target: string,
    wanted: 'rid' | 'target',
    where: string,
  ): Promise<string> {
    const rids: bigint[] = [];
    const targets: bigint[] = [];
    for await (const batch of versionsChangedSince(this.tenant, typeNumber(source), this.moment))
      for (const resource of batch)
        for (const id of referredTo(resource, parameter, target, this.base)) {
          rids.push(this.#rid(resource));
          targets.push(this.tenant.keys.rid(target, id));
        }
    const { bind } = this;
    return (
      `(select f.${wanted} as rid from idx_reference f join resource r on r.part = f.part and r.rtype = f.rtype` +
      ` and r.rid = f.rid where f.rtype = ${bind.smallint(typeNumber(source))}` +
      ` and f.param = ${bind.bigint(parameterHash(parameter, this.#context))}` +
      ` and f.ttype = ${bind.smallint(typeNumber(target))} and not r.deleted` +
      ` and r.lu <= ${bind.bigint(this.moment)} and f.${where}` +
      ` union select u.${wanted} from unnest(${bind.bigints(rids)}, ${bind.bigints(targets)}) as u (rid, target)` +
      ` where u.${where})`
    );
  }

  #reference(type: string, code: string, target: string, name: string): SearchParameter {
    const parameter = findSearchParameter(type, code);
    if (parameter?.type === 'reference' && !(holdsCanonicals(parameter) && hasCanonicalName(target)))
      return parameter;
    throw new Fault('unsupported', 'A cohort of the past follows references that R4 has, by id.', {
      at: name.slice(0, 64),
      remedy: 'Leave out chains over canonical addresses and over parameters of your own, or leave out asOf.',
    });
  }

  #rid(resource: StoredResource): bigint {
    return this.tenant.keys.rid(resource.resourceType, resource.id);
  }
}

/** Ids of the resources of a type that a parameter of a resource refers to. */
function referredTo(
  resource: StoredResource,
  parameter: SearchParameter,
  target: string,
  base: string,
): string[] {
  return valuesOf(parameter, resource).flatMap((value) => {
    const text = typeof value === 'string' ? value : (value as { reference?: unknown } | null)?.reference;
    if (typeof text !== 'string') return [];
    const parsed = parseReference(text, base);
    return parsed.kind === 'local' && parsed.type === target ? [parsed.id] : [];
  });
}
