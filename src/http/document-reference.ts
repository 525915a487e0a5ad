import { Fault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { informationOutcome } from '../fhir/outcome.js';
import { annotationStates, readAnnotation } from '../store/annotations.js';
import { ANNOTATION_STATUS } from '../tasks/bundle-document.js';
import { type Handler, segment } from './exchange.js';
import type { Decorate } from './read.js';
import type { Route } from './router.js';

/** Adds the state of its annotation to each current document (extension `annotation-status`). */
export const withAnnotationStatus: Decorate = async (tenant, resources) => {
  const ids = resources.filter(isWholeDocument).map(({ id }) => id!);
  if (ids.length === 0) return resources;
  const states = await annotationStates(tenant, ids);
  return resources.map((resource) => {
    const state = isWholeDocument(resource) ? states.get(resource.id!) : undefined;
    if (state === undefined) return resource;
    const own = Array.isArray(resource.extension) ? resource.extension : [];
    return { ...resource, extension: [...own, { url: ANNOTATION_STATUS, valueCode: state }] };
  });
};

/** A document from which nothing was left out: `_elements` and `_summary` did not ask for extensions. */
function isWholeDocument({ resourceType, id, meta }: Resource): boolean {
  return (
    resourceType === 'DocumentReference' &&
    id !== undefined &&
    !meta?.tag?.some(({ code }) => code === 'SUBSETTED')
  );
}

/** `GET DocumentReference/{id}/$annotation`: the stored annotation as JSON, 202 while it is being made. */
const annotation: Handler = async (request) => {
  const found = await readAnnotation(request.tenant, segment(request, 'id'));
  if (!found) {
    throw new Fault('not-found', 'No such document is known here.', { remedy: 'Check the id.' });
  }
  switch (found.state) {
    case 'done':
      return { status: 200, json: found.annotation };
    case 'pending':
    case 'running':
      return {
        status: 202,
        resource: informationOutcome('The document is being annotated. Ask again in a moment.'),
        headers: { 'Retry-After': '1' },
      };
    case 'no-text':
      throw new Fault('not-found', 'The document holds no text to annotate.', {
        remedy: 'Give it content with text, or a Binary with text that it refers to.',
      });
    case 'failed':
      throw new Fault('not-found', 'The annotation of the document failed.', {
        remedy: 'The operator finds why in the log; an update of the document starts it again.',
      });
    case 'withdrawn':
      throw new Fault('gone', 'The annotation was withdrawn with its document.', {
        remedy: 'Its facts are in their history.',
      });
  }
};

export const annotationRoute: Route = {
  method: 'GET',
  path: 'DocumentReference/:id/$annotation',
  claim: {
    kind: 'operation',
    name: 'annotation',
    definition: 'https://cenote.health/fhir/OperationDefinition/document-annotation',
    type: 'DocumentReference',
  },
  needs: 'r',
  handle: annotation,
};
