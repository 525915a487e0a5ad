import type { StoredResource } from '../core/resource.js';
import { clinicalTime, sortInstant } from '../fhir/clinical-time.js';
import { compartmentParameters, patientsOf } from '../fhir/compartment.js';
import { findSearchParameter } from '../fhir/registry.js';
import { typeNumber } from '../fhir/resource-types.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { conjuncts, every, optimize } from '../search/condition.js';
import { streamMatches } from '../search/fill.js';
import { parameterHash } from '../search/index-terms.js';
import { Binder } from '../search/render.js';
import type { PlannedSearch, Search } from '../search/search.js';
import { type Find, type Statement, whereOf } from '../search/statement.js';
import type { Tenant } from '../tenancy/tenant.js';
import type { CohortDefinition, Criteria, SearchCriterion } from './definition.js';

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
  definition: Pick<CohortDefinition, 'criteria' | 'derived'>,
  base: string,
): Promise<PatientSet> {
  const bind = new Binder();
  const maker = new SetMaker(search, tenant, definition.derived, base, bind);
  const text = await maker.set(definition.criteria);
  return { statement: { text, values: bind.values } };
}

class SetMaker {
  readonly #context: IndexContext;

  constructor(
    private readonly search: Search,
    private readonly tenant: Tenant,
    private readonly derived: CohortDefinition['derived'],
    private readonly base: string,
    private readonly bind: Binder,
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
    if ('not' in criteria) return `(${this.#everyone()} except ${await this.set(criteria.not)})`;
    return criteria.after
      ? this.#after(criteria, criteria.after)
      : `(select distinct pkey from ${await this.#matches(criteria.search)} m)`;
  }

  /** Negated parts are taken away from what the others leave, so that the set of all patients is seldom needed. */
  async #and(of: readonly Criteria[]): Promise<string> {
    const wanted = of.filter((c) => !('not' in c));
    const unwanted = of.flatMap((c) => ('not' in c ? [c.not] : []));
    const parts: string[] = [];
    for (const c of wanted) parts.push(await this.set(c));
    let text = parts.length > 0 ? parts.join(' intersect ') : this.#everyone();
    if (parts.length > 1) text = `(${text})`;
    for (const c of unwanted) text = `(${text} except ${await this.set(c)})`;
    return text.startsWith('(') ? text : `(${text})`;
  }

  /** Events of `search` strictly later than one of the other's, by at most so many days. Undated events do not count. */
  async #after({ search }: SearchCriterion, after: { search: string; withinDays: number }): Promise<string> {
    const later = await this.#matches(search);
    const earlier = await this.#matches(after.search);
    const span = this.bind.bigint(Math.round(after.withinDays * MS_PER_DAY));
    return (
      `(select distinct a.pkey from ${later} a join ${earlier} b on b.pkey = a.pkey` +
      ` and a.at > b.at and a.at <= b.at + ${span})`
    );
  }

  #everyone(): string {
    return `(select r.rid as pkey from resource r where r.rtype = ${this.bind.smallint(typeNumber(PATIENT))} and not r.deleted)`;
  }

  /** `(select pkey, at …)`: each match's patients with its clinical time. */
  async #matches(text: string): Promise<string> {
    const [type = '', query = ''] = splitOnce(text, '?');
    const planned = await this.search.prepare(this.tenant, {
      type,
      params: [...new URLSearchParams(query)],
      strict: true,
      base: this.base,
    });
    const find = this.#withOrigin(type, planned.find);
    return planned.exact ? this.#inSql(type, find) : this.#opened(planned, find);
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
    const own = `select r.pkey, r.at from resource r where ${whereOf(find, this.bind)} and r.pkey is not null`;
    const params = compartmentParameters(PATIENT, type)
      .map((code) => findSearchParameter(type, code))
      .filter((p) => p !== undefined)
      .map((p) => parameterHash(p, this.#context));
    if (params.length === 0) return `(${own})`;
    const shared =
      'select f.target as pkey, r.at from resource r join idx_reference f' +
      ' on f.part = r.part and f.rtype = r.rtype and f.rid = r.rid' +
      ` where ${whereOf(find, this.bind)} and r.pkey is null and f.param = any(${this.bind.bigints(params)})` +
      ` and f.ttype = ${this.bind.smallint(typeNumber(PATIENT))}`;
    return `(${own} union all ${shared})`;
  }

  /** Where the index finds too much, the matches are opened in batches and only hashes and times are kept. */
  async #opened(planned: PlannedSearch, find: Find): Promise<string> {
    const pkeys: bigint[] = [];
    const times: (string | null)[] = [];
    for await (const batch of streamMatches(planned.reader, find, planned.recheck))
      for (const resource of batch)
        for (const id of patientsOf(resource, this.base)) {
          pkeys.push(this.tenant.keys.rid(PATIENT, id));
          times.push(timeOf(resource));
        }
    this.bind.values.push(times);
    const at = `$${this.bind.values.length}::bigint[]`;
    return `(select pkey, at from unnest(${this.bind.bigints(pkeys)}, ${at}) as u (pkey, at))`;
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
