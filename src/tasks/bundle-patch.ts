import { Fault, invalid } from '../core/fault.js';
import { parseJson } from '../core/json.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { compileFhirPathPatch } from '../fhir/patch/fhirpath-patch.js';
import { compileJsonPatch } from '../fhir/patch/json-patch.js';
import { basicCheck, type Check, isObject } from './bundle-entry.js';
import type { Patch } from './bundle-interactions.js';

/**
 * The patch of a PATCH entry: a Binary of type `application/json-patch+json`, or Parameters with a FHIRPath Patch
 * (R4 http.html#patch, fhirpatch.html).
 */
export function patchOf(document: Resource | undefined, check: Check = basicCheck): Patch {
  if (document?.resourceType === 'Parameters') return fhirPathPatch(document, check);
  if (document?.resourceType !== 'Binary')
    throw invalid('The patch is neither a Binary nor Parameters.', 'patch');
  const { contentType, data } = document;
  if (typeof contentType !== 'string' || !contentType.startsWith('application/json-patch+json')) {
    throw invalid(
      'The Binary is no JSON Patch.',
      'Binary.contentType',
      'Use contentType application/json-patch+json.',
    );
  }
  if (typeof data !== 'string') throw invalid('The Binary has no data.', 'Binary.data');
  return jsonPatch(parseJson(Buffer.from(data, 'base64').toString('utf8')), check);
}

/** A JSON Patch as what it does to a stored resource; the result is checked like any update. */
export function jsonPatch(document: unknown, check: Check = basicCheck): Patch {
  const apply = compileJsonPatch(document);
  return (current) => accepted(current, apply(current), check);
}

/** A FHIRPath Patch (R4 fhirpatch.html) as what it does to a stored resource. */
export function fhirPathPatch(document: Resource, check: Check = basicCheck): Patch {
  const apply = compileFhirPathPatch(document);
  return (current) => accepted(current, apply(current), check);
}

/** A patch may change neither identity nor type (R4 http.html#patch). */
function accepted(current: StoredResource, patched: unknown, check: Check): Resource {
  if (!isObject(patched)) throw invalid('The patch leaves no resource.', 'patch');
  if (patched.resourceType !== current.resourceType || patched.id !== current.id) {
    throw new Fault('invalid', 'A patch cannot change the type or the id of a resource.', {
      at: 'patch',
      issueCode: 'business-rule',
      remedy: 'Create another resource instead.',
    });
  }
  return check(patched, current.resourceType);
}
