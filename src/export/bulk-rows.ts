import { compartmentParameters } from '../fhir/compartment.js';
import { findSearchParameter } from '../fhir/registry.js';
import { RESOURCE_TYPES, typeNumber } from '../fhir/resource-types.js';
import type { IndexContext } from '../indexing/parameter-type.js';
import { parameterHash } from '../search/index-terms.js';
import { Binder } from '../search/render.js';
import type { Statement } from '../search/statement.js';

/**
 * Which rows a bulk export gives, as SQL statements that select `part, rtype, rid, ver, sid, slot`. Each row is in one
 * of them, and in it once.
 */

/** Types that records refer to and that are in no patient's compartment: they come along where they are referred to. */
export const ASSOCIATED_TYPES: readonly string[] = [
  'Practitioner',
  'PractitionerRole',
  'Organization',
  'Location',
  'HealthcareService',
  'Endpoint',
  'Medication',
  'Substance',
  'Device',
];

/** Types with a place in a patient's compartment. */
export const COMPARTMENT_TYPES: readonly string[] = RESOURCE_TYPES.filter(
  (type) => type === 'Patient' || compartmentParameters('Patient', type).length > 0,
);

/** Whose resources: everybody's and nobody's, those of any patient, or those of these (hashed ids). */
export type BulkScope =
  | { readonly kind: 'system' }
  | { readonly kind: 'patients'; readonly pkeys: readonly bigint[] | undefined };

export interface RowChoice {
  readonly types: readonly string[];
  /** Updated at or after, and at or before, ms. */
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

const ROW = 'r.part, r.rtype, r.rid, r.ver, r.sid, r.slot';

/** Writes the parts of a statement. A value is bound where it is first used: Postgres knows no type for an unused one. */
class Maker {
  readonly bind = new Binder();
  #pkeys: string | undefined;

  constructor(
    private readonly patients: readonly bigint[] | undefined,
    private readonly context: IndexContext,
  ) {}

  #ours(column: string): string | undefined {
    if (this.patients === undefined) return undefined;
    this.#pkeys ??= this.bind.bigints(this.patients);
    return `${column} = any(${this.#pkeys})`;
  }

  /** The row is in one compartment, and it is one of ours. */
  own(row: string): string {
    return this.#ours(`${row}.pkey`) ?? `${row}.pkey is not null`;
  }

  /** The row of the index of references puts its resource into a compartment of ours. */
  owners(reference: string): string {
    const ours = this.#ours(`${reference}.target`);
    const member = this.bind.bigints(memberParameters(this.context));
    const patient = this.bind.smallint(typeNumber('Patient'));
    return (
      `${reference}.param = any(${member}) and ${reference}.ttype = ${patient}` +
      (ours === undefined ? '' : ` and ${ours}`)
    );
  }

  /** The row is in several compartments, one of ours among them. */
  shared(row: string): string {
    return (
      `(${row}.pkey is null and exists (select from idx_reference f where f.part = ${row}.part` +
      ` and f.rtype = ${row}.rtype and f.rid = ${row}.rid and ${this.owners('f')}))`
    );
  }

  types(types: readonly string[]): string {
    return this.bind.smallints(types.map(typeNumber));
  }

  chosen(row: string, { types, sinceMs, untilMs }: RowChoice): string {
    let text = `not ${row}.deleted and ${row}.rtype = any(${this.types(types)})`;
    if (sinceMs !== undefined) text += ` and ${row}.lu >= ${this.bind.bigint(sinceMs)}`;
    if (untilMs !== undefined) text += ` and ${row}.lu <= ${this.bind.bigint(untilMs)}`;
    return text;
  }

  hash(type: string, code: string): string {
    return this.bind.bigint(parameterHash(findSearchParameter(type, code)!, this.context));
  }

  done(text: string): Statement {
    return { text, values: this.bind.values };
  }
}

/** Hashes of the parameters that put a resource into a patient's compartment. */
function memberParameters(context: IndexContext): bigint[] {
  const codes = COMPARTMENT_TYPES.flatMap((type) =>
    compartmentParameters('Patient', type).map((code) => findSearchParameter(type, code)),
  ).filter((p) => p !== undefined);
  return [...new Set(codes.map((p) => parameterHash(p, context)))];
}

/** All rows of the scope. */
export function scopeStatements(scope: BulkScope, choice: RowChoice, context: IndexContext): Statement[] {
  if (scope.kind === 'system') {
    const maker = new Maker(undefined, context);
    return [
      maker.done(
        `select ${ROW} from resource r where ${maker.chosen('r', choice)} order by r.part, r.rtype, r.rid`,
      ),
    ];
  }
  const statements: Statement[] = [];
  const inside = choice.types.filter((type) => COMPARTMENT_TYPES.includes(type));
  if (inside.length > 0) {
    const own = new Maker(scope.pkeys, context);
    statements.push(
      own.done(
        `select ${ROW} from resource r where ${own.own('r')} and ${own.chosen('r', { ...choice, types: inside })}`,
      ),
    );
  }
  const several = inside.filter((type) => type !== 'Provenance' && type !== 'Patient');
  if (several.length > 0) {
    const shared = new Maker(scope.pkeys, context);
    statements.push(
      shared.done(
        `select ${ROW} from resource r where ${shared.shared('r')} and ${shared.chosen('r', { ...choice, types: several })}`,
      ),
    );
  }
  if (inside.includes('Provenance')) statements.push(provenanceStatement(scope.pkeys, choice, context));
  const outside = choice.types.filter((type) => ASSOCIATED_TYPES.includes(type));
  if (outside.length > 0)
    statements.push(associatedStatement(scope.pkeys, { ...choice, types: outside }, context));
  return statements;
}

/**
 * The rows of compartments patient by patient, the Patient first, with `owner`, the hashed id of whose compartment it
 * is: a record in several of them comes in each.
 */
export function patientStatement(
  pkeys: readonly bigint[] | undefined,
  choice: RowChoice,
  context: IndexContext,
): Statement {
  const maker = new Maker(pkeys, context);
  const types = choice.types.filter((type) => COMPARTMENT_TYPES.includes(type));
  const chosen = maker.chosen('r', { ...choice, types });
  const patient = maker.bind.smallint(typeNumber('Patient'));
  return maker.done(
    `select w.* from (select ${ROW}, r.pkey as owner from resource r where ${maker.own('r')} and ${chosen}` +
      ` union all select distinct ${ROW}, f.target as owner from resource r join idx_reference f on f.part = r.part` +
      ` and f.rtype = r.rtype and f.rid = r.rid where r.pkey is null and ${maker.owners('f')} and ${chosen}) w` +
      ` order by w.owner, (w.rtype = ${patient}) desc, w.rtype, w.rid`,
  );
}

/** Provenance about what is in the compartments; that about a patient alone is in the compartment itself. */
function provenanceStatement(
  pkeys: readonly bigint[] | undefined,
  choice: RowChoice,
  context: IndexContext,
): Statement {
  const maker = new Maker(pkeys, context);
  return maker.done(
    `select ${ROW} from resource r where ${maker.chosen('r', { ...choice, types: ['Provenance'] })} and r.pkey is null` +
      ' and exists (select from idx_reference g join locator l on l.rtype = g.ttype and l.rid = g.target' +
      ' join resource t on t.part = l.part and t.rtype = l.rtype and t.rid = l.rid' +
      ` where g.part = r.part and g.rtype = r.rtype and g.rid = r.rid and g.param = ${maker.hash('Provenance', 'target')}` +
      ` and not t.deleted and (${maker.own('t')} or ${maker.shared('t')}))`,
  );
}

/**
 * What the compartments refer to, directly or by way of each other. Of changes since an instant: what changed itself,
 * and what is referred to by what changed, as the client may never have seen it.
 */
function associatedStatement(
  pkeys: readonly bigint[] | undefined,
  choice: RowChoice,
  context: IndexContext,
): Statement {
  const maker = new Maker(pkeys, context);
  const types = maker.types(ASSOCIATED_TYPES);
  const inside = maker.types(COMPARTMENT_TYPES);
  const fresh = choice.sinceMs === undefined ? 'true' : `t.lu >= ${maker.bind.bigint(choice.sinceMs)}`;
  const changed =
    choice.sinceMs === undefined ? '' : ` and (a.fresh or r.lu >= ${maker.bind.bigint(choice.sinceMs)})`;
  const chosen = maker.chosen('r', { types: choice.types, untilMs: choice.untilMs });
  return maker.done(
    'with recursive along (rtype, rid, fresh) as (' +
      `select g.ttype, g.target, ${fresh} from resource t` +
      ' join idx_reference g on g.part = t.part and g.rtype = t.rtype and g.rid = t.rid' +
      ` where not t.deleted and t.rtype = any(${inside}) and (${maker.own('t')} or ${maker.shared('t')})` +
      ` and g.ttype = any(${types})` +
      ' union select g.ttype, g.target, a.fresh from along a join locator l on l.rtype = a.rtype and l.rid = a.rid' +
      ' join idx_reference g on g.part = l.part and g.rtype = l.rtype and g.rid = l.rid' +
      ` where g.ttype = any(${types}))` +
      ` select distinct ${ROW} from along a join locator l on l.rtype = a.rtype and l.rid = a.rid` +
      ' join resource r on r.part = l.part and r.rtype = l.rtype and r.rid = l.rid' +
      ` where ${chosen}${changed}`,
  );
}

/** Provenance of rows that are given: all of it, or of each row the latest. */
export function provenanceOf(
  rows: readonly { readonly rtype: number; readonly rid: bigint }[],
  latest: boolean,
  context: IndexContext,
): Statement {
  const bind = new Binder();
  const rtypes = bind.smallints(rows.map((r) => r.rtype));
  const rids = bind.bigints(rows.map((r) => r.rid));
  const target = bind.bigint(parameterHash(findSearchParameter('Provenance', 'target')!, context));
  const provenance = bind.smallint(typeNumber('Provenance'));
  return {
    text:
      `select ${latest ? 'distinct on (k.rtype, k.rid)' : ''} ${ROW} from unnest(${rtypes}, ${rids}) as k (rtype, rid)` +
      ` join idx_reference g on g.target = k.rid and g.param = ${target} and g.ttype = k.rtype and g.rtype = ${provenance}` +
      ' join resource r on r.part = g.part and r.rtype = g.rtype and r.rid = g.rid and not r.deleted' +
      (latest ? ' order by k.rtype, k.rid, r.lu desc, r.rid' : ''),
    values: bind.values,
  };
}

/** What was deleted, with the place of the version before: it tells the id and whose it was. */
export function deletedStatement(choice: RowChoice, context: IndexContext): Statement {
  const maker = new Maker(undefined, context);
  const { types, sinceMs = 0, untilMs } = choice;
  const until = untilMs === undefined ? '' : ` and d.lu <= ${maker.bind.bigint(untilMs)}`;
  return maker.done(
    'select v.part, v.rtype, v.rid, v.ver, v.sid, v.slot from resource d' +
      ' join locator l on l.rtype = d.rtype and l.rid = d.rid' +
      " join version v on v.part = any (l.part || coalesce(l.former, '{}')) and v.rtype = d.rtype and v.rid = d.rid" +
      ' and v.ver = d.ver - 1 and v.op <> 2' +
      ` where d.deleted and d.rtype = any(${maker.types(types)}) and d.lu >= ${maker.bind.bigint(sinceMs)}${until}`,
  );
}
