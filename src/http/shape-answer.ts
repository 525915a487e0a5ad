import type { Resource, StoredResource } from '../core/resource.js';
import { shape } from '../search/shape.js';
import { type FhirRequest, oneParam } from './exchange.js';
import { HttpFault } from './outcome.js';

const SUMMARIES = new Set(['true', 'text', 'data', 'false']);
const ELEMENT = /^[A-Za-z][A-Za-z0-9.]{0,127}$/;

/** `_summary` and `_elements` on a read (R4 http.html#parameters); searches shape their own entries. */
export function shapeRead(request: Pick<FhirRequest, 'params'>, resource: Resource): Resource {
  const summary = oneParam(request, '_summary');
  const elements = oneParam(request, '_elements');
  if (summary === undefined && elements === undefined) return resource;
  if (summary !== undefined && !SUMMARIES.has(summary)) {
    throw new HttpFault(400, 'Not a value of _summary on a read.', {
      at: '_summary',
      issueCode: 'value',
      remedy: 'Use true, text, data or false.',
    });
  }
  const names = (elements ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (!names.every((name) => ELEMENT.test(name))) {
    throw new HttpFault(400, 'Not the name of an element.', {
      at: '_elements',
      issueCode: 'value',
      remedy: 'Give names such as status,code,subject.',
    });
  }
  // What is made for the answer, and not stored, has no meta of its own.
  return shape(
    { meta: {}, ...resource } as StoredResource,
    (summary ?? 'false') as 'true' | 'text' | 'data' | 'false',
    names,
  );
}
