import { findPhi, redact } from '../../nlp/6-phi/index.js';
import type { KnownIdentity } from '../../nlp/model.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { Deidentifier } from '../export/deidentify/deidentify.js';
import type { Tenant } from '../tenancy/tenant.js';

export interface DeidentifyChoice {
  /** `shift` where not said. */
  readonly dates?: 'shift' | 'year';
  /** Notes have no text where not said. */
  readonly notes?: 'drop' | 'scrub';
}

/** What is known of patients, to find it in their notes. */
export type Identities = ReadonlyMap<string, KnownIdentity>;

/**
 * A de-identifier of the tenant. Ids and shifts come from the tenant's own key: the same in every export of it, and
 * nothing to whoever has not the key.
 */
export function deidentifier(
  tenant: Tenant,
  { dates = 'shift', notes = 'drop' }: DeidentifyChoice,
  nowMs: number,
  identities: Identities,
): Deidentifier {
  const { digest } = tenant.keys;
  const half = (text: string) => BigInt.asUintN(64, digest(text)).toString(16).padStart(16, '0');
  return new Deidentifier({
    dates,
    nowMs,
    keyed: (purpose, text) =>
      half(`deidentify 1 ${purpose} ${text}`) + half(`deidentify 2 ${purpose} ${text}`),
    ...(notes === 'scrub'
      ? {
          scrub: (text: string, patient: string | undefined) =>
            redact(text, findPhi(text, patient === undefined ? undefined : identities.get(patient))),
        }
      : {}),
  });
}

/** Resources as they come, without what says who. */
export async function* stripped(
  batches: AsyncIterable<readonly Resource[]>,
  strip: Deidentifier,
): AsyncGenerator<Resource[]> {
  for await (const batch of batches)
    yield batch.flatMap((resource) => strip.resource(resource as StoredResource) ?? []);
}

/** What a Patient resource tells of who it is. */
export function identityOf(patient: Resource): KnownIdentity {
  const names: string[] = [];
  const identifiers: string[] = [];
  const addresses: string[] = [];
  const add = (to: string[], ...values: unknown[]) => {
    for (const value of values) {
      if (typeof value === 'string' && value.trim() !== '') to.push(value);
      else if (Array.isArray(value)) add(to, ...value);
    }
  };
  for (const name of listOf(patient.name)) add(names, name.family, name.given, name.text);
  for (const contact of listOf(patient.contact))
    for (const name of listOf(contact.name)) add(names, name.family, name.given, name.text);
  for (const id of listOf(patient.identifier)) add(identifiers, id.value);
  for (const telecom of listOf(patient.telecom)) add(identifiers, telecom.value);
  for (const a of listOf(patient.address)) add(addresses, a.line, a.city, a.postalCode);
  return {
    names,
    identifiers,
    addresses,
    ...(typeof patient.birthDate === 'string' ? { birthDate: patient.birthDate } : {}),
  };
}

function listOf(value: unknown): Record<string, unknown>[] {
  const list = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return list.filter((v): v is Record<string, unknown> => typeof v === 'object' && v !== null);
}
