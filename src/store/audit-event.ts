import type { Resource } from '../core/resource.js';
import type { Access, AuditEntry } from './audit.js';
import { MAX_NAMED_RESOURCES } from './audit.js';
import type { Actor, WriteOp } from './contract.js';

/** BALP, Basic Audit Log Patterns of IHE (ITI), 1.1. */
const BALP = 'https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.';
const BALP_ENTITY = 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType';
const DCM = 'http://dicom.nema.org/resources/ontology/DCM';
const EVENT_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-event-type';
const INTERACTION = 'http://hl7.org/fhir/restful-interaction';
const ENTITY_TYPE = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const OBJECT_ROLE = 'http://terminology.hl7.org/CodeSystem/object-role';
const ACTOR_KIND = 'https://cenote.health/fhir/CodeSystem/actor-kind';
const PURPOSE = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';

export type Action = 'C' | 'R' | 'U' | 'D' | 'E';

/** One thing that happened, as a row of the log tells it. */
export interface AuditFact {
  /** Id of the AuditEvent: that of the row, and its place in it. */
  readonly id: string;
  readonly at: number;
  readonly actor: Actor;
  readonly action: Action;
  /** Code of the RESTful interaction, or `$` and an operation's name. */
  readonly interaction: string;
  /** HTTP status. */
  readonly status: number;
  readonly type?: string | undefined;
  readonly query?: string | undefined;
  readonly resources: readonly (readonly [type: string, id: string, version?: string])[];
  /** Resources it was about, of which `resources` names the first. */
  readonly count: number;
  readonly patients: readonly string[];
  readonly patientCount: number;
  /** Keys of the patients to whose records was written. */
  readonly compartments?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  readonly emergency?: string | undefined;
}

const WRITE_ACTIONS: Readonly<Record<WriteOp, Action>> = { create: 'C', update: 'U', delete: 'D' };

/** What a row of the log tells, in its order: an event for each kind of write, and one for each access. */
export function factsOf(aid: string, entry: AuditEntry): AuditFact[] {
  const facts: AuditFact[] = [];
  const add = (fact: Omit<AuditFact, 'id'>) => facts.push({ id: `${aid}-${facts.length}`, ...fact });
  const { actor, at } = entry;
  for (const op of ['create', 'update', 'delete'] as const) {
    const writes = entry.writes.filter((write) => doneBy(write) === op);
    if (writes.length === 0) continue;
    const patients = [...new Set(writes.filter(([, type]) => type === 'Patient').map(([, , id]) => id))];
    add({
      at,
      actor,
      action: WRITE_ACTIONS[op],
      interaction: op,
      status: op === 'create' ? 201 : 200,
      type: writes.length === 1 ? writes[0]![1] : undefined,
      resources: writes
        .slice(0, MAX_NAMED_RESOURCES)
        .map(([, type, id, version]) => [type, id, `${version}`]),
      count: writes.length,
      patients,
      patientCount: patients.length,
      compartments: entry.compartments,
    });
  }
  if (entry.erased)
    add({
      at,
      actor,
      action: 'D',
      interaction: '$erase',
      status: 200,
      resources: entry.erased.slice(0, MAX_NAMED_RESOURCES).map(([type, id]) => [type, id]),
      count: entry.erased.length,
      patients: entry.erased.filter(([type]) => type === 'Patient').map(([, id]) => id),
      patientCount: entry.erased.filter(([type]) => type === 'Patient').length,
      reason: entry.reason,
    });
  for (const access of entry.accesses ?? [])
    add({
      ...access,
      action: actionOf(access),
      resources: access.resources ?? [],
      count: access.count ?? access.resources?.length ?? 0,
      patients: access.patients ?? [],
      patientCount: access.patientCount ?? access.patients?.length ?? 0,
    });
  return facts;
}

/** An update of what was not there is a creation. */
function doneBy([op, , , version]: AuditEntry['writes'][number]): WriteOp {
  return op === 'update' && version === 1 ? 'create' : op;
}

/** R4 audit-event-action: searches and operations execute, reads read. */
function actionOf({ interaction }: Access): Action {
  if (/^(v?read|history-instance|\$annotation)$/.test(interaction)) return 'R';
  if (interaction === 'create') return 'C';
  if (/^(update|patch)$/.test(interaction)) return 'U';
  if (interaction === 'delete') return 'D';
  return 'E';
}

/** R4 audit-event-outcome: 4 what the caller may mend, 8 what we must. */
export function outcomeOf(status: number): '0' | '4' | '8' {
  return status < 400 ? '0' : status < 500 ? '4' : '8';
}

const PATTERN: Readonly<Record<Action, string>> = {
  C: 'Create',
  R: 'Read',
  U: 'Update',
  D: 'Delete',
  E: 'Query',
};

/**
 * A fact as an AuditEvent after BALP: with a patient its Patient… pattern, else the plain one. The reader is the
 * destination of what is read and the source of what is written.
 * @param base FHIR base of the tenant, absolute, which is the observer
 */
export function auditEvent(fact: AuditFact, base: string): Resource {
  const { actor, action, status } = fact;
  const reads = action === 'R';
  const operation = fact.interaction.startsWith('$');
  const pattern = `${fact.patients.length > 0 ? 'Patient' : ''}${PATTERN[action]}`;
  const emergency =
    fact.emergency === undefined ? undefined : [{ coding: [{ system: PURPOSE, code: 'BTG' }] }];
  return {
    resourceType: 'AuditEvent',
    id: fact.id,
    meta: operation || fact.count > 1 ? undefined : { profile: [`${BALP}${pattern}`] },
    type: { system: EVENT_TYPE, code: 'rest', display: 'RESTful Operation' },
    subtype: [
      operation
        ? { system: INTERACTION, code: 'operation', display: fact.interaction }
        : { system: INTERACTION, code: fact.interaction },
      ...(emergency ? [{ system: DCM, code: '110113', display: 'Security Alert' }] : []),
    ],
    action,
    recorded: new Date(fact.at).toISOString(),
    outcome: outcomeOf(status),
    ...(status >= 400 ? { outcomeDesc: `HTTP ${status}` } : {}),
    ...(emergency ? { purposeOfEvent: emergency } : {}),
    agent: [
      {
        type: { coding: [{ system: DCM, ...(reads ? DESTINATION : SOURCE) }] },
        who: { identifier: { system: ACTOR_KIND, value: `${actor.kind}:${actor.id}` }, display: actor.id },
        requestor: true,
      },
      {
        type: { coding: [{ system: DCM, ...(reads ? SOURCE : DESTINATION) }] },
        who: { identifier: { value: base } },
        requestor: false,
      },
    ],
    source: { observer: { identifier: { value: base } }, site: 'cenote' },
    entity: entitiesOf(fact),
  };
}

const SOURCE = { code: '110153', display: 'Source Role ID' };
const DESTINATION = { code: '110152', display: 'Destination Role ID' };

function entitiesOf(fact: AuditFact): object[] | undefined {
  const entities: object[] = fact.patients.map((id) => ({
    what: { reference: `Patient/${id}` },
    type: { system: ENTITY_TYPE, code: '1', display: 'Person' },
    role: { system: OBJECT_ROLE, code: '1', display: 'Patient' },
  }));
  for (const [type, id, version] of fact.resources) {
    const reference = version === undefined ? `${type}/${id}` : `${type}/${id}/_history/${version}`;
    entities.push({
      what: { reference },
      type: { system: ENTITY_TYPE, code: '2', display: 'System Object' },
      role: { system: OBJECT_ROLE, code: '4', display: 'Domain Resource' },
    });
  }
  if (fact.query !== undefined)
    entities.push({
      type: { system: ENTITY_TYPE, code: '2', display: 'System Object' },
      role: { system: OBJECT_ROLE, code: '24', display: 'Query' },
      query: Buffer.from(fact.query, 'utf8').toString('base64'),
      detail: [
        { type: 'resources', valueString: String(fact.count) },
        { type: 'patients', valueString: String(fact.patientCount) },
      ],
    });
  const reason = fact.emergency ?? fact.reason;
  if (reason !== undefined)
    entities.push({
      type: { system: ENTITY_TYPE, code: '4', display: 'Other' },
      description: reason,
    });
  if (fact.actor.requestId !== undefined)
    entities.push({
      what: { identifier: { value: fact.actor.requestId } },
      type: { system: BALP_ENTITY, code: 'XrequestId' },
    });
  return entities.length > 0 ? entities : undefined;
}
