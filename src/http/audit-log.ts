import { Fault, invalid } from '../core/fault.js';
import { parsePartialDate } from '../fhir/dates.js';
import { auditEvent } from '../store/audit-event.js';
import { type AuditPlace, type AuditQuery, readAuditLog } from '../store/audit-log.js';
import { rawOf } from '../store/visible.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import type { Handler } from './exchange.js';
import type { Pair } from './negotiate.js';
import { operationParams } from './operation-input.js';
import type { Route } from './router.js';

const DEFAULT_COUNT = 50;
const MAX_COUNT = 1000;

/**
 * `AuditEvent/$audit-log`: who read, wrote or was refused what, newest first, as AuditEvents after IHE's Basic Audit
 * Log Patterns. The log is no resource of the store: nobody can write, change or delete it by the API.
 */
export function auditLogRoutes(): Route[] {
  const handle: Handler = async (request) => {
    const { access, base } = request;
    const whole =
      access.grants === undefined ||
      access.grants.some(
        (grant) =>
          (grant.type === 'AuditEvent' || grant.type === '*') &&
          grant.letters.includes('s') &&
          grant.patient === undefined &&
          grant.query === undefined,
      );
    if (!whole)
      throw new Fault('forbidden', 'The token does not permit searching the audit log.', {
        remedy: 'Ask for the scope system/AuditEvent.rs, without restrictions.',
      });
    // The log stands beside the records, so what narrows these hides all of it.
    const tenant = rawOf(request.tenant);
    const params = await operationParams(request);
    const { facts, next } = await readAuditLog(tenant, queryOf(params, tenant.keys));
    const link = [{ relation: 'self', url: addressOf(base, params) }];
    if (next) {
      const rest = params.filter(([name]) => name !== '_cursor');
      link.push({
        relation: 'next',
        url: addressOf(base, [...rest, ['_cursor', sealPlace(tenant.keys, next)]]),
      });
    }
    return {
      status: 200,
      resource: {
        resourceType: 'Bundle',
        type: 'searchset',
        link,
        entry: facts.map((fact) => ({
          fullUrl: `${base}/AuditEvent/${fact.id}`,
          resource: auditEvent(fact, base),
          search: { mode: 'match' },
        })),
      },
    };
  };
  const claim = {
    kind: 'operation',
    name: 'audit-log',
    definition: 'https://cenote.health/fhir/OperationDefinition/audit-log',
    type: 'AuditEvent',
  } as const;
  return (['GET', 'POST'] as const).map((method) => ({
    method,
    path: 'AuditEvent/$audit-log',
    claim,
    // Checked above: a right to some AuditEvents is no right to the log.
    needs: 'each',
    handle,
  }));
}

function addressOf(base: string, params: readonly Pair[]): string {
  const query = new URLSearchParams(params.map(([name, value]): [string, string] => [name, value]));
  return `${base}/AuditEvent/$audit-log${query.size > 0 ? `?${query}` : ''}`;
}

const CODES: Readonly<Record<string, readonly string[]>> = {
  action: ['C', 'R', 'U', 'D', 'E'],
  outcome: ['0', '4', '8'],
};

/** @throws Fault `invalid` for a parameter that is none, or a value that it cannot have */
function queryOf(params: readonly Pair[], keys: TenantKeys): AuditQuery {
  const query: { -readonly [K in keyof AuditQuery]: AuditQuery[K] } = { count: DEFAULT_COUNT };
  for (const [name, value] of params) {
    switch (name) {
      case '_format':
      case '_pretty':
        break;
      case '_count':
        if (!/^\d{1,6}$/.test(value) || Number(value) < 1)
          throw invalid('_count is no number of events.', '_count', `Ask for 1 to ${MAX_COUNT}.`);
        query.count = Math.min(Number(value), MAX_COUNT);
        break;
      case '_cursor':
        query.after = openPlace(keys, value);
        break;
      case 'date':
        within(query, value);
        break;
      case 'agent':
        query.agent = value;
        break;
      case 'patient':
        query.patient = value.replace(/^Patient\//, '');
        break;
      case 'entity':
        if (!/^[A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64}$/.test(value))
          throw invalid('entity is no reference.', 'entity', 'Name it as Type/id.');
        query.entity = value;
        break;
      case 'action':
        query.actions = codes(name, value);
        break;
      case 'outcome':
        query.outcomes = codes(name, value);
        break;
      case 'subtype':
        query.interactions = value.split(',');
        break;
      case 'request':
        query.requestId = value;
        break;
      default:
        throw invalid(
          'The audit log is not searched by this parameter.',
          name.slice(0, 40),
          'Use date, agent, patient, entity, action, subtype, outcome, request, _count.',
        );
    }
  }
  return query;
}

function codes(name: string, value: string): readonly string[] {
  const given = value.split(',');
  const known = CODES[name]!;
  if (given.some((code) => !known.includes(code)))
    throw invalid(`${name} has no such code.`, name, `Use some of ${known.join(', ')}.`);
  return given;
}

/** Narrows the time by one `date`; R4 search.html#date, prefixes eq, ge, gt, le, lt. */
function within(query: { from?: number; to?: number }, value: string): void {
  const [, prefix, text] = /^(eq|ge|gt|le|lt)?(.*)$/s.exec(value)!;
  const date = parsePartialDate(text!);
  if (!date) throw invalid('date is no date.', 'date', 'Use a FHIR date or instant, as in ge2026-01-31.');
  const from = prefix === 'gt' ? date.hi + 1 : prefix === 'le' || prefix === 'lt' ? undefined : date.lo;
  const to = prefix === 'lt' ? date.lo - 1 : prefix === 'ge' || prefix === 'gt' ? undefined : date.hi;
  if (from !== undefined) query.from = Math.max(from, query.from ?? from);
  if (to !== undefined) query.to = Math.min(to, query.to ?? to);
}

const CURSOR = { purpose: 'cursor' as const, bind: ['audit-log'] };

function sealPlace(keys: TenantKeys, place: AuditPlace): string {
  return keys.seal(Buffer.from(JSON.stringify(place), 'utf8'), CURSOR).toString('base64url');
}

function openPlace(keys: TenantKeys, text: string): AuditPlace {
  try {
    return JSON.parse(keys.open(Buffer.from(text, 'base64url'), CURSOR).toString('utf8')) as AuditPlace;
  } catch (error) {
    throw new Fault('invalid', 'This page link is not one of the audit log.', {
      at: '_cursor',
      remedy: 'Follow the links as they were given, or start again.',
      cause: error,
    });
  }
}
