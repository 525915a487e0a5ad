import type { Resource } from '../core/resource.js';
import { extensionUrl } from '../mapping/document.js';

/** The extension that says on a read how far the annotation of a document is. */
export const ANNOTATION_STATUS = extensionUrl('annotation-status');

/**
 * A document as it is stored: without the state of its annotation, which a client that reads, changes and writes
 * sends back to us.
 */
export function withoutAnnotationStatus(resource: Resource): Resource {
  if (resource.resourceType !== 'DocumentReference' || !Array.isArray(resource.extension)) return resource;
  const extension = resource.extension.filter((e: { url?: unknown } | null) => e?.url !== ANNOTATION_STATUS);
  if (extension.length === resource.extension.length) return resource;
  const { extension: _ours, ...rest } = resource;
  return extension.length > 0 ? { ...rest, extension } : rest;
}
