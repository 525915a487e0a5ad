import type { Resource } from '../core/resource.js';

/** States of a row of table `annotation`. */
export const ANNOTATION_STATES = ['pending', 'running', 'done', 'failed', 'no-text', 'withdrawn'] as const;
export type AnnotationState = (typeof ANNOTATION_STATES)[number];

export const PENDING = 0;
export const RUNNING = 1;
export const DONE = 2;
export const FAILED = 3;
export const NO_TEXT = 4;
export const WITHDRAWN = 5;

/** The state a new version of a document starts in; `undefined` stands for a deletion. */
export function documentState(document: Resource | undefined): number {
  return document === undefined || document.status === 'entered-in-error' ? WITHDRAWN : PENDING;
}
