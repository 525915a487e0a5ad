import type { Annotation, DocumentContext } from '../../nlp/model.js';
import { isFault } from '../core/fault.js';
import type { StoredResource } from '../core/resource.js';
import { type DocumentEnvelope, mapAnnotation } from '../mapping/index.js';
import {
  type AnnotationResult,
  type ClaimedAnnotation,
  claimAnnotations,
  completeAnnotations,
  countAnnotations,
  type EndedAnnotation,
} from '../store/annotations.js';
import type { Actor, Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';
import { documentText } from './document-text.js';
import { addCounts, type DerivedCounts, noDerivedCounts } from './import-report.js';

/** Documents taken, read and committed together: a transaction of 16 costs little more than one of one. */
const BATCH = 16;
/** Batches under way: while one commits, the next are read. */
const BATCHES_AT_ONCE = 3;
/** A document's lease, in ms; longer than the longest note may take. */
const LEASE_MS = 120_000;
/** After this many attempts a document is given up and says so. */
const MAX_ATTEMPTS = 3;
/** Wait before looking again when another worker holds what is left, in ms. */
const POLL_MS = 250;

/** What reads the words; in worker threads when the product runs. */
export interface TextReader {
  readonly version: string;
  annotate(text: string, context: DocumentContext): Promise<Annotation>;
}

export interface AnnotateDeps {
  readonly store: Store;
  readonly reader: TextReader;
}

export interface DrainOptions {
  readonly signal?: AbortSignal;
  /** Documents read so far in this call, and those still waiting. */
  readonly onProgress?: (read: number, waiting: number) => void;
  /** Told how long each document took to be read and mapped, in ms. */
  readonly onRead?: (documentId: string, ms: number) => void;
}

const ACTOR: Actor = { id: 'annotation', kind: 'job' };

/**
 * Annotates documents of a tenant until none waits, also those another worker holds now. Several processes may do so
 * at once.
 * @returns what the documents read in this call yielded
 */
export async function drainAnnotations(
  deps: AnnotateDeps,
  tenant: Tenant,
  options: DrainOptions = {},
): Promise<DerivedCounts & { documents: number }> {
  const counts = { ...noDerivedCounts(), documents: 0 };
  for (;;) {
    options.signal?.throwIfAborted();
    const read = await annotatePending(deps, tenant, counts, options);
    if (read > 0) continue;
    const waiting = await countAnnotations(tenant);
    if (waiting.pending + waiting.running === 0) return counts;
    await new Promise((resume) => setTimeout(resume, POLL_MS));
  }
}

/** Takes documents as long as there are any to take. @returns how many were read */
export async function annotatePending(
  deps: AnnotateDeps,
  tenant: Tenant,
  counts: DerivedCounts & { documents: number },
  options: DrainOptions = {},
): Promise<number> {
  let read = 0;
  let empty = false;
  const line = async () => {
    while (!empty && !options.signal?.aborted) {
      const claimed = await claimAnnotations(tenant, BATCH, LEASE_MS);
      if (claimed.length === 0) {
        empty = true;
        return;
      }
      const ended = await Promise.all(
        claimed.map(async (one) => {
          const from = performance.now();
          const result = await resultOf(deps, tenant, one);
          options.onRead?.(one.documentId, performance.now() - from);
          return { claimed: one, result };
        }),
      );
      await complete(deps, tenant, ended, counts);
      read += claimed.length;
      counts.documents += claimed.length;
      if (options.onProgress) options.onProgress(read, (await countAnnotations(tenant)).pending);
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: BATCHES_AT_ONCE }, line));
  const failed = outcomes.find((o) => o.status === 'rejected');
  if (failed) throw failed.reason;
  return read;
}

/** Commits a batch together; where one of it cannot be stored, each alone, so that its neighbours are. */
async function complete(
  deps: AnnotateDeps,
  tenant: Tenant,
  ended: readonly EndedAnnotation[],
  counts: DerivedCounts,
): Promise<void> {
  try {
    // A document with a newer version, or taken over by another worker, answers `lost`: that one's result counts.
    for (const group of await completeAnnotations(deps.store, tenant, ended, ACTOR)) {
      if (!group || group === 'lost') continue;
      counts.created += group.created;
      counts.updated += group.updated;
      counts.deleted += group.deleted;
      counts.unchanged += group.unchanged;
      addCounts(counts.byType, group.byType);
    }
  } catch (error) {
    if (!isFault(error) || error.category === 'unavailable') throw error;
    if (ended.length > 1) {
      for (const one of ended) await complete(deps, tenant, [one], counts);
      return;
    }
    const { claimed, result } = ended[0]!;
    if (result.state === 'failed' || result.state === 'pending') throw error;
    const given = giveUp(claimed, deps.reader.version, error.category);
    await completeAnnotations(deps.store, tenant, [{ claimed, result: given }], ACTOR);
  }
}

/** A few more attempts, then the document says that it could not be read. */
function giveUp(claimed: ClaimedAnnotation, pipeline: string, error: string): AnnotationResult {
  return claimed.attempts >= MAX_ATTEMPTS
    ? { state: 'failed', pipeline, error }
    : { state: 'pending', error };
}

async function resultOf(
  deps: AnnotateDeps,
  tenant: Tenant,
  claimed: ClaimedAnnotation,
): Promise<AnnotationResult> {
  const { reader } = deps;
  try {
    const text = await documentText(deps.store, tenant, claimed.document);
    if (text === undefined) return { state: 'no-text', pipeline: reader.version };
    const envelope = envelopeOf(tenant, claimed, reader.version);
    const annotation = await reader.annotate(text, {
      id: claimed.documentId,
      date: envelope.date,
      type: typeOf(claimed.document),
    });
    return {
      state: 'done',
      pipeline: reader.version,
      annotation,
      resources: mapAnnotation(annotation, envelope),
    };
  } catch (error) {
    const category = isFault(error) ? error.category : 'internal';
    // A database that is gone is no fault of the document.
    if (category === 'unavailable') throw error;
    return giveUp(claimed, reader.version, category);
  }
}

/** What the document says of itself; the words say nothing of whom they are about. */
export function envelopeOf(tenant: Tenant, claimed: ClaimedAnnotation, pipeline: string): DocumentEnvelope {
  const { document } = claimed;
  const context = document.context as
    | { encounter?: { reference?: string }[]; period?: { start?: string } }
    | undefined;
  const subject = (document.subject as { reference?: string } | undefined)?.reference;
  const encounter = context?.encounter?.[0]?.reference;
  return {
    tenantId: tenant.record.id,
    documentId: claimed.documentId,
    documentVersion: claimed.version,
    recorded: document.meta.lastUpdated,
    subject: subject?.startsWith('Patient/') ? subject : undefined,
    encounter: encounter?.startsWith('Encounter/') ? encounter : undefined,
    date: context?.period?.start ?? (typeof document.date === 'string' ? document.date : undefined),
    authors: (document.author as { reference?: string; display?: string }[] | undefined)?.map(
      ({ reference, display }) => ({
        ...(reference && { reference }),
        ...(display && { display }),
      }),
    ),
    pipeline,
  };
}

function typeOf(document: StoredResource): string | undefined {
  const type = document.type as { coding?: { system?: string; code?: string }[]; text?: string } | undefined;
  return type?.coding?.find((c) => c.system === 'http://loinc.org')?.code ?? type?.text;
}
