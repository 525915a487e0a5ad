import { Fault, invalid, isFault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import type { Tenant } from '../tenancy/tenant.js';
import { runBatchEntry } from './bundle-batch.js';
import { basicCheck, type Entry, entriesOf, MAX_HTTP_ENTRIES, parseEntry } from './bundle-entry.js';
import { importBundle } from './bundle-import.js';
import type { BundleDeps, BundleResult, BundleScope, HttpOptions, ImportOptions } from './bundle-options.js';
import {
  countWrite,
  type EntryError,
  type EntryResult,
  noCounts,
  OTHER_PART,
  responseEntry,
} from './bundle-result.js';
import { runTransaction } from './bundle-transaction.js';

export type { BundleDeps, BundleResult, HttpOptions, ImportOptions } from './bundle-options.js';
export { ResolvedReferences, resolveReferences } from './bundle-resolve.js';

/**
 * Applies a Bundle to a tenant. Mode `http`: the batch and transaction interactions of R4. Mode `import`: any bundle
 * that carries current resources, ids kept, unchanged resources left alone.
 * @throws Fault when the bundle as a whole is refused: nothing of it is written then.
 */
export function applyBundle(
  deps: BundleDeps,
  tenant: Tenant,
  bundle: Resource,
  options: HttpOptions | ImportOptions,
): Promise<BundleResult> {
  if (bundle.resourceType !== 'Bundle') {
    throw invalid(
      'The resource is not a Bundle.',
      'resourceType',
      'Send other resources to the address of their type.',
    );
  }
  return options.mode === 'import'
    ? importBundle(deps, tenant, bundle, options)
    : httpBundle(deps, tenant, bundle, options);
}

async function httpBundle(
  deps: BundleDeps,
  tenant: Tenant,
  bundle: Resource,
  options: HttpOptions,
): Promise<BundleResult> {
  const { type } = bundle;
  if (type !== 'batch' && type !== 'transaction') {
    throw invalid(
      'Only a batch or a transaction can be sent to the base.',
      'Bundle.type',
      'Set type to batch or transaction; to store the Bundle itself, POST it to /Bundle.',
    );
  }
  const entries = entriesOf(bundle, MAX_HTTP_ENTRIES);
  const scope: BundleScope = { tenant, ...options };
  const results =
    type === 'transaction'
      ? await transaction(deps, scope, entries, options)
      : await batch(deps, scope, entries, options);
  const counts = noCounts();
  const errors: EntryError[] = [];
  results.forEach((result, entry) => {
    if (result.kind === 'written') countWrite(counts, result.result);
    else if (result.kind === 'deleted') for (const one of result.results) countWrite(counts, one);
    else if (result.kind === 'failed') {
      counts.rejected++;
      errors.push({ entry, fault: result.fault });
    }
  });
  return {
    counts,
    errors,
    response: {
      resourceType: 'Bundle',
      type: `${type}-response`,
      // FHIR has no empty lists.
      ...(results.length > 0
        ? { entry: results.map((r) => (r === OTHER_PART ? {} : responseEntry(r, options))) }
        : {}),
    },
  };
}

async function transaction(
  deps: BundleDeps,
  scope: BundleScope,
  values: readonly unknown[],
  { base, check = basicCheck }: HttpOptions,
): Promise<EntryResult[]> {
  const entries: Entry[] = [];
  const faults: Fault[] = [];
  values.forEach((value, i) => {
    try {
      const entry = parseEntry(value, i, base, check);
      scope.authorise?.(entry);
      entries.push(entry);
    } catch (error) {
      if (!isFault(error)) throw error;
      if (faults.length < MAX_FAULTS) faults.push(error);
    }
  });
  const [first, ...also] = faults;
  if (first) throw withOthers(first, also);
  return runTransaction(deps, scope, entries);
}

/** Faults of one transaction that are reported together. */
const MAX_FAULTS = 20;

function withOthers(first: Fault, also: readonly Fault[]): Fault {
  const { category, message, at, remedy, log, issueCode, cause } = first;
  return new Fault(category, message, { at, remedy, log, issueCode, cause, also: [...first.also, ...also] });
}

async function batch(
  deps: BundleDeps,
  scope: BundleScope,
  values: readonly unknown[],
  { base, check = basicCheck }: HttpOptions,
): Promise<EntryResult[]> {
  const results: EntryResult[] = [];
  for (const [i, value] of values.entries()) {
    try {
      const entry = parseEntry(value, i, base, check);
      scope.authorise?.(entry);
      results.push(await runBatchEntry(deps, scope, entry, check));
    } catch (error) {
      results.push({ kind: 'failed', fault: isFault(error) ? error : unexpected(error) });
    }
  }
  return results;
}

function unexpected(cause: unknown): Fault {
  return new Fault('internal', 'The server failed to process the entry.', { cause });
}
