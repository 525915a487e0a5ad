import type { Tenant } from '../tenancy/tenant.js';
import { ACCESS_PART, openAudit } from './audit.js';
import { type AuditFact, factsOf, outcomeOf } from './audit-event.js';
import { faultOf, run } from './database.js';
import { partOf } from './prepare.js';

/** Rows opened for one page; a page that found too little by then goes on at the next. */
const MAX_ROWS_PER_PAGE = 20_000;
const ROWS_PER_FETCH = 200;

/** What is asked of the log. What is not said does not narrow it. */
export interface AuditQuery {
  /** ms, both inclusive. */
  readonly from?: number;
  readonly to?: number;
  /** Id of the client or user. */
  readonly agent?: string;
  /** Id of a patient: what named the patient, or wrote to the patient's records. */
  readonly patient?: string;
  /** `Type/id` that was read or written. */
  readonly entity?: string;
  readonly actions?: readonly string[];
  /** Codes of interactions, or `$` and an operation's name. */
  readonly interactions?: readonly string[];
  /** R4 audit-event-outcome: 0, 4, 8. */
  readonly outcomes?: readonly string[];
  readonly requestId?: string;
  /** 1 to 1000. */
  readonly count: number;
  /** Where the page before ended. */
  readonly after?: AuditPlace;
}

/** A place in the log, newest first: what comes after it is older. */
export interface AuditPlace {
  readonly at: number;
  readonly aid: string;
  /** Facts of that row that were given already. */
  readonly taken: number;
}

export interface AuditPage {
  /** Newest first. */
  readonly facts: readonly AuditFact[];
  /** Where to go on; absent at the end. Set also where the rows of a page were used up before it was full. */
  readonly next?: AuditPlace;
}

/**
 * Reads the audit log of a tenant, newest first, by opening its rows: nothing of who read what stands in the open.
 * @throws Fault `integrity` for a row that does not open
 */
export async function readAuditLog(tenant: Tenant, query: AuditQuery): Promise<AuditPage> {
  const facts: AuditFact[] = [];
  let place = query.after;
  let rows = 0;
  const { patient } = query;
  const compartment = patient === undefined ? undefined : tenant.keys.rid('Patient', patient).toString();
  try {
    for (;;) {
      const batch = await fetchRows(tenant, query, place);
      for (const row of batch) {
        const at = Number(row.at);
        const entry = openAudit(tenant.keys, { ...row, at });
        const resumed = place !== undefined && place.at === at && place.aid === row.aid ? place.taken : 0;
        const all = factsOf(row.aid, entry);
        for (let i = resumed; i < all.length; i++) {
          if (!matches(all[i]!, query, compartment)) continue;
          if (facts.length === query.count) return { facts, next: { at, aid: row.aid, taken: i } };
          facts.push(all[i]!);
        }
        place = { at, aid: row.aid, taken: all.length };
        rows++;
      }
      if (batch.length < ROWS_PER_FETCH) return { facts };
      if (rows >= MAX_ROWS_PER_PAGE) return { facts, next: place! };
    }
  } catch (error) {
    throw faultOf(error);
  }
}

interface Row {
  part: number;
  at: bigint;
  aid: string;
  sealed: Buffer;
}

function fetchRows(tenant: Tenant, query: AuditQuery, place: AuditPlace | undefined): Promise<Row[]> {
  const values: unknown[] = [query.from ?? 0, query.to ?? Number.MAX_SAFE_INTEGER];
  let where = 'at between $1 and $2';
  // The row the page before ended in is looked at again: some of its facts may be left.
  if (place)
    where += ` and at <= $${values.push(place.at)} and (at < $3 or aid >= $${values.push(place.aid)})`;
  if (query.patient !== undefined) {
    const part = partOf(tenant.keys.rid('Patient', query.patient));
    where += ` and part in ($${values.push(part)}, ${ACCESS_PART})`;
  }
  return run<Row>(
    tenant.pool,
    `select part, at, aid, sealed from audit where ${where} order by at desc, aid limit ${ROWS_PER_FETCH}`,
    values,
  );
}

function matches(fact: AuditFact, query: AuditQuery, compartment: string | undefined): boolean {
  const { agent, patient, entity, actions, interactions, outcomes, requestId } = query;
  if (agent !== undefined && fact.actor.id !== agent) return false;
  if (actions && !actions.includes(fact.action)) return false;
  if (interactions && !interactions.includes(fact.interaction)) return false;
  if (outcomes && !outcomes.includes(outcomeOf(fact.status))) return false;
  if (requestId !== undefined && fact.actor.requestId !== requestId) return false;
  if (entity !== undefined && !names(fact, entity)) return false;
  if (patient === undefined || compartment === undefined) return true;
  return (
    fact.patients.includes(patient) ||
    fact.compartments?.includes(compartment) === true ||
    names(fact, `Patient/${patient}`)
  );
}

function names({ resources }: AuditFact, entity: string): boolean {
  return resources.some(([type, id]) => `${type}/${id}` === entity);
}
