import { coarseLevel } from '../core/blind.js';
import type { StoredResource } from '../core/resource.js';
import { clinicalTime, sortInstant } from '../fhir/clinical-time.js';
import { compartmentParameters, patientsOf } from '../fhir/compartment.js';
import { findSearchParameter } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import { derivedFrom } from '../indexing/index.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { conjuncts, every, optimize } from '../search/condition.js';
import { streamMatches } from '../search/fill.js';
import { parameterHash } from '../search/index-terms.js';
import { Binder } from '../search/render.js';
import type { PlannedSearch, Search } from '../search/search.js';
import { type Find, type Statement, whereOf } from '../search/statement.js';
import type { Tenant } from '../tenancy/tenant.js';
import { type CohortDefinition, type Criteria, momentOf, type SearchCriterion } from './definition.js';
import { versionsChangedSince } from './past.js';
import { type Asked, askedOf, type Pair, PastLinks, unchangedUntil } from './past-links.js';

/**
 * Cohort criteria as set algebra over patients, in one SQL statement: each search gives the patients of its matches by
 * the row's patient column, and INTERSECT, UNION and EXCEPT put them together. Ids come to this process only for
 * searches whose index clause finds too much, and then as one array.
 */
export interface PatientSet {
  /** Selects one column `pkey`: hashed ids of patients. */
  readonly statement: Statement;
}

const PATIENT = 'Patient';
const MS_PER_DAY = 86_400_000;

export async function patientSet(
  search: Search,
  tenant: Tenant,
  definition: Pick<CohortDefinition, 'criteria' | 'derived' | 'asOf'>,
  base: string,
): Promise<PatientSet> {
  const bind = new Binder();
  const asOf = definition.asOf === undefined ? undefined : momentOf(definition.asOf);
  const maker = new SetMaker(search, tenant, definition.derived, base, bind, asOf);
  const text = await maker.set(definition.criteria);
  return { statement: { text, values: bind.values } };
}

class SetMaker {
  readonly #context: IndexContext;
  #links: PastLinks | undefined;

  constructor(
    private readonly search: Search,
    private readonly tenant: Tenant,
    private readonly derived: CohortDefinition['derived'],
    private readonly base: string,
    private readonly bind: Binder,
    /** ms; now where undefined. */
    private readonly asOf: number | undefined,
  ) {
    this.#context = { blind: tenant.keys.blind, base };
  }

  /** A parenthesised SELECT of distinct patients. */
  async set(criteria: Criteria): Promise<string> {
    if ('and' in criteria) return this.#and(criteria.and);
    if ('or' in criteria) {
      const parts: string[] = [];
      for (const c of criteria.or) parts.push(await this.set(c));
      return `(${parts.join(' union ')})`;
    }
    if ('not' in criteria) return `(${await this.#everyone()} except ${await this.set(criteria.not)})`;
    return this.#counted(criteria);
  }

  /** Negated parts are taken away from what the others leave, so that the set of all patients is seldom needed. */
  async #and(of: readonly Criteria[]): Promise<string> {
    const wanted = of.filter((c) => !('not' in c));
    const unwanted = of.flatMap((c) => ('not' in c ? [c.not] : []));
    const parts: string[] = [];
    for (const c of wanted) parts.push(await this.set(c));
    let text = parts.length > 0 ? parts.join(' intersect ') : await this.#everyone();
    if (parts.length > 1) text = `(${text})`;
    for (const c of unwanted) text = `(${text} except ${await this.set(c)})`;
    return text.startsWith('(') ? text : `(${text})`;
  }

  /** Patients with as many matches as are asked for. Whoever may have none is found by who has too many. */
  async #counted(criterion: SearchCriterion): Promise<string> {
    const { min = 0, max } = criterion.count ?? { min: 1 };
    const matches = await this.#related(criterion);
    const having = (condition: string) =>
      `(select m.pkey from ${matches} m group by m.pkey having ${condition})`;
    const number = 'count(distinct m.rid)';
    if (min === 0) {
      const everyone = await this.#everyone();
      return max === undefined
        ? `(${everyone})`
        : `(${everyone} except ${having(`${number} > ${this.bind.int(max)}`)})`;
    }
    if (min === 1 && max === undefined) return `(select distinct m.pkey from ${matches} m)`;
    const most = max === undefined ? '' : ` and ${number} <= ${this.bind.int(max)}`;
    return having(`${number} >= ${this.bind.int(min)}${most}`);
  }

  /**
   * Matches that stand in time to another search's as asked: after and before are strict, and an event does not stand
   * to itself. Undated events do not count.
   */
  async #related({ search, after, before, within }: SearchCriterion): Promise<string> {
    const own = await this.#matches(search);
    const relation = after ?? before ?? within;
    if (!relation) return own;
    const other = await this.#matches(relation.search);
    const days = relation.withinDays;
    const span = days === undefined ? undefined : this.bind.bigint(Math.round(days * MS_PER_DAY));
    const bounds = after
      ? ['a.at > b.at', span && `a.at <= b.at + ${span}`]
      : before
        ? ['a.at < b.at', span && `a.at >= b.at - ${span}`]
        : ['a.rid <> b.rid', `a.at between b.at - ${span} and b.at + ${span}`];
    return `(select a.pkey, a.at, a.rid from ${own} a join ${other} b on b.pkey = a.pkey and ${bounds.filter(Boolean).join(' and ')})`;
  }

  async #everyone(): Promise<string> {
    if (this.asOf !== undefined) return `(select pkey from ${await this.#matches(PATIENT)} p)`;
    return `(select r.rid as pkey from resource r where r.rtype = ${this.bind.smallint(typeNumber(PATIENT))} and not r.deleted)`;
  }

  /** `(select pkey, at, rid …)`: each match's patients with its clinical time and its hashed id. */
  async #matches(text: string): Promise<string> {
    const [type = '', query = ''] = splitOnce(text, '?');
    const params = [...new URLSearchParams(query)];
    const asked = this.asOf === undefined ? undefined : askedOf(params);
    // Of the past, too: what cannot be understood is refused as it is today.
    const planned = await this.#prepare(type, params);
    if (asked && this.asOf !== undefined) return this.#asOf(type, asked, this.asOf);
    const find = this.#withOrigin(type, planned.find);
    return this.#indexTells(planned) ? this.#inSql(type, find) : this.#opened(planned, find);
  }

  #prepare(type: string, params: readonly Pair[]): Promise<PlannedSearch> {
    return this.search.prepare(this.tenant, { type, params, strict: true, base: this.base });
  }

  /**
   * What matched at a moment: of what has not changed since, what the index says; of what has, the version of then,
   * opened and looked at. What is asked of other resources is asked of their versions of then (`past-links.ts`).
   */
  async #asOf(type: string, { own, links }: Asked, moment: number): Promise<string> {
    const planned = await this.#prepare(type, own);
    const find = this.#withOrigin(type, planned.find);
    const gathered = new Gathered(this.tenant, this.base);
    for await (const batch of versionsChangedSince(this.tenant, typeNumber(type), moment)) {
      const verdicts = await planned.recheck(batch);
      gathered.add(batch.filter((resource, i) => verdicts[i] && this.#hasOrigin(type, resource)));
    }
    const then = gathered.inSql(this.bind);
    const still = this.#indexTells(planned)
      ? this.#inSql(type, unchangedUntil(find, moment))
      : await this.#opened(planned, find, moment);
    const matches = `(select * from ${still} u union all select * from ${then} v)`;
    if (links.length === 0) return matches;
    this.#links ??= new PastLinks(this.search, this.tenant, this.base, this.bind, moment);
    const held: string[] = [];
    for (const link of links) held.push(`m.rid in ${await this.#links.holding(type, link)}`);
    return `(select m.* from ${matches} m where ${held.join(' and ')})`;
  }

  /** Whether the index says which resources match, and when they happened. */
  #indexTells({ exact }: PlannedSearch): boolean {
    return exact && !coarseLevel(this.tenant.keys.blind);
  }

  #hasOrigin(type: string, resource: StoredResource): boolean {
    if (this.derived === 'include' || type === PATIENT) return true;
    return (derivedFrom(resource, this.base) !== undefined) === (this.derived === 'only');
  }

  /** Patients themselves are never derived from a note. */
  #withOrigin(type: string, find: Find): Find {
    const order = { kind: 'row' as const };
    if (this.derived === 'include' || type === PATIENT) return { ...find, order };
    const origin = { kind: 'derived' as const, is: this.derived === 'only' };
    return { ...find, order, condition: optimize(every([...conjuncts(find.condition), origin])) };
  }

  /** Matches in several compartments have no patient column: their patients are those their references name. */
  #inSql(type: string, find: Find): string {
    const own = `select r.pkey, r.at, r.rid from resource r where ${whereOf(find, this.bind)} and r.pkey is not null`;
    const params = compartmentParameters(PATIENT, type)
      .map((code) => findSearchParameter(type, code))
      .filter((p) => p !== undefined)
      .map((p) => parameterHash(p, this.#context));
    if (params.length === 0) return `(${own})`;
    const shared =
      'select f.target as pkey, r.at, r.rid from resource r join idx_reference f' +
      ' on f.part = r.part and f.rtype = r.rtype and f.rid = r.rid' +
      ` where ${whereOf(find, this.bind)} and r.pkey is null and f.param = any(${this.bind.bigints(params)})` +
      ` and f.ttype = ${this.bind.smallint(typeNumber(PATIENT))}`;
    return `(${own} union all ${shared})`;
  }

  /** Where the index finds too much, the matches are opened in batches and only hashes and times are kept. */
  async #opened(planned: PlannedSearch, find: Find, until = Number.POSITIVE_INFINITY): Promise<string> {
    const gathered = new Gathered(this.tenant, this.base);
    for await (const batch of streamMatches(planned.reader, find, planned.recheck))
      gathered.add(batch.filter(({ meta }) => Date.parse(meta.lastUpdated) <= until));
    return gathered.inSql(this.bind);
  }
}

/** Matches as arrays of hashes and times. */
class Gathered {
  private readonly pkeys: bigint[] = [];
  private readonly times: (string | null)[] = [];
  private readonly rids: bigint[] = [];

  constructor(
    private readonly tenant: Tenant,
    private readonly base: string,
  ) {}

  add(resources: readonly StoredResource[]): void {
    const { keys } = this.tenant;
    for (const resource of resources)
      for (const id of patientsOf(resource, this.base)) {
        this.pkeys.push(keys.rid(PATIENT, id));
        this.times.push(timeOf(resource));
        this.rids.push(keys.rid(resource.resourceType, resource.id));
      }
  }

  inSql(bind: Binder): string {
    bind.values.push(this.times);
    const at = `$${bind.values.length}::bigint[]`;
    return `(select pkey, at, rid from unnest(${bind.bigints(this.pkeys)}, ${at}, ${bind.bigints(this.rids)}) as u (pkey, at, rid))`;
  }
}

function timeOf(resource: StoredResource): string | null {
  const time = clinicalTime(resource);
  return time ? String(sortInstant(time)) : null;
}

function splitOnce(text: string, at: string): [string, string] {
  const i = text.indexOf(at);
  return i < 0 ? [text, ''] : [text.slice(0, i), text.slice(i + 1)];
}
