import type { Clock } from '../core/clock.js';
import { Fault, invalid } from '../core/fault.js';
import { newId } from '../core/ids.js';
import type { Coding, Resource, StoredResource } from '../core/resource.js';
import { ORIGIN_DERIVED } from '../mapping/document.js';
import type { Actor, Store, Write, WriteResult } from '../store/contract.js';
import { REVIEW_SYSTEM } from '../store/derived-group.js';
import type { Tenant } from '../tenancy/tenant.js';

export type Decision = 'confirmed' | 'corrected' | 'rejected';
export const DECISIONS: readonly Decision[] = ['confirmed', 'corrected', 'rejected'];

/** What a person decided of a derived fact. */
export interface Review {
  readonly decision: Decision;
  /** With `corrected`: the resource as it should be; already checked. */
  readonly resource?: Resource;
  readonly comment?: string;
  /** Who decided, as the reader of the Provenance should see it; the actor's id where not given. */
  readonly reviewer?: string;
}

/** Longest comment, in characters. */
const MAX_COMMENT = 2_000;

const VERIFICATION: Readonly<Record<string, string>> = {
  Condition: 'http://terminology.hl7.org/CodeSystem/condition-ver-status',
  AllergyIntolerance: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification',
};

const DISPLAYS: Readonly<Record<Decision, string>> = {
  confirmed: 'Confirmed',
  corrected: 'Corrected',
  rejected: 'Rejected',
};

/**
 * Keeps a person's decision on a derived fact: a new version of it, tagged, and a Provenance of the person. The tag is
 * what makes every later run of the pipeline leave the fact alone.
 * @throws Fault `not-found` | `gone`, `conflict` for a resource no note yielded, `precondition` when `ifMatch` is not the
 * current version, `invalid` for a correction of another resource or patient.
 */
export async function reviewFact(
  deps: { readonly store: Store; readonly clock: Clock },
  tenant: Tenant,
  type: string,
  id: string,
  review: Review,
  actor: Actor,
  ifMatch?: number,
): Promise<WriteResult> {
  if (review.comment !== undefined && review.comment.length > MAX_COMMENT) {
    throw invalid(`The comment is longer than ${MAX_COMMENT} characters.`, 'comment', 'Shorten it.');
  }
  return deps.store.transact(tenant, actor, async (tx) => {
    const read = await tx.read(type, id);
    if (!read)
      throw new Fault('not-found', 'No such resource is known here.', {
        remedy: 'Check the type and the id.',
      });
    if (!read.resource) throw new Fault('gone', 'The resource was deleted.');
    const current = read.resource;
    if (
      !current.meta.tag?.some((t) => t.system === ORIGIN_DERIVED.system && t.code === ORIGIN_DERIVED.code)
    ) {
      throw new Fault('conflict', 'Only a fact that was derived from a note can be reviewed.', {
        remedy: 'Update any other resource with PUT or PATCH.',
      });
    }
    const resource = reviewed(current, review);
    const provenance = provenanceOf(resource, read.version + 1, review, actor, deps.clock);
    const writes: Write[] = [
      { op: 'update', type, id, resource, ifMatch: ifMatch ?? read.version },
      { op: 'create', type: 'Provenance', id: provenance.id!, resource: provenance },
    ];
    const [result] = await tx.write(writes);
    return result!;
  });
}

function reviewed(current: StoredResource, review: Review): Resource {
  const tags: Coding[] = [
    ...(current.meta.tag ?? []).filter((t) => t.system !== REVIEW_SYSTEM),
    { system: REVIEW_SYSTEM, code: review.decision, display: DISPLAYS[review.decision] },
  ];
  const content = review.decision === 'corrected' ? corrected(current, review.resource) : current;
  const { clinicalStatus, ...rest } = content;
  const meta = { ...content.meta, profile: current.meta.profile, tag: tags };
  const system = VERIFICATION[current.resourceType];
  if (review.decision === 'rejected') {
    // R4 con-5 and ait-2: what was entered in error has no clinical status.
    if (system)
      return { ...rest, meta, verificationStatus: { coding: [{ system, code: 'entered-in-error' }] } };
    return { ...content, meta, status: 'entered-in-error' };
  }
  if (!system) return { ...content, meta };
  return {
    ...rest,
    ...(clinicalStatus !== undefined && { clinicalStatus }),
    meta,
    verificationStatus: { coding: [{ system, code: 'confirmed' }] },
  };
}

/** The correction, with what says where the fact came from taken from the fact itself: it cannot be moved or unmade. */
function corrected(current: StoredResource, given: Resource | undefined): Resource {
  if (!given)
    throw invalid(
      'A correction needs the corrected resource.',
      'resource',
      'Send it as parameter "resource".',
    );
  if (given.resourceType !== current.resourceType || (given.id !== undefined && given.id !== current.id)) {
    throw invalid('The correction is of another resource.', 'resource', 'Keep its type and id.');
  }
  for (const element of ['subject', 'patient']) {
    const own = current[element] as { reference?: string } | undefined;
    const other = given[element] as { reference?: string } | undefined;
    if (own?.reference !== other?.reference) {
      throw invalid(
        'A correction cannot be about another patient.',
        `resource.${element}`,
        'Reject the fact instead.',
      );
    }
  }
  return { ...given, id: current.id, extension: current.extension };
}

const DATA_OPERATION = 'http://terminology.hl7.org/CodeSystem/v3-DataOperation';
const PARTICIPANT = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

function provenanceOf(fact: Resource, version: number, review: Review, actor: Actor, clock: Clock): Resource {
  return {
    resourceType: 'Provenance',
    id: newId(),
    meta: { tag: [{ system: REVIEW_SYSTEM, code: review.decision, display: DISPLAYS[review.decision] }] },
    target: [{ reference: `${fact.resourceType}/${fact.id}/_history/${version}` }],
    recorded: new Date(clock.now()).toISOString(),
    activity: { coding: [{ system: DATA_OPERATION, code: 'UPDATE' }], text: `Review: ${review.decision}` },
    ...(review.comment && { reason: [{ text: review.comment }] }),
    agent: [
      {
        type: { coding: [{ system: PARTICIPANT, code: 'verifier', display: 'Verifier' }] },
        who: { display: review.reviewer ?? actor.id },
      },
    ],
  };
}
