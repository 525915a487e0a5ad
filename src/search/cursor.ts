import { Fault, isFault } from '../core/fault.js';
import type { TenantKeys } from '../tenancy/tenant.js';
import type { Moment } from './moment.js';

/** Where a page ended: phase of the order and the keys of the last row given out. Bigints as text. */
export interface Position {
  readonly phase: number;
  readonly keys: readonly (string | number)[];
  /** Of the first page, in an order that writers can change. */
  readonly moment?: Moment;
}

/** What a page link carries, sealed: the query itself, so that the link shows nothing of it, and where to go on. */
export interface Cursor {
  readonly params: readonly (readonly [string, string])[];
  readonly position: Position;
  readonly total?: number;
}

/** What the cursor is good for: a link made for one search place opens at no other. */
export interface CursorScope {
  readonly kind: string;
  readonly type: string | undefined;
  readonly compartment: string | undefined;
  /** Who may follow the link, where only the one who was given it may. */
  readonly caller?: string;
}

const FORMAT = 3;
const MAX_CURSOR_CHARS = 128 * 1024;

function sealContext(scope: CursorScope) {
  return {
    purpose: 'cursor' as const,
    bind: [FORMAT, scope.kind, scope.type ?? '', scope.compartment ?? '', scope.caller ?? ''],
  };
}

export function sealCursor(keys: TenantKeys, scope: CursorScope, cursor: Cursor): string {
  return keys.seal(Buffer.from(JSON.stringify(cursor), 'utf8'), sealContext(scope)).toString('base64url');
}

/** @throws Fault `invalid` for a cursor of another tenant, another search, or one that was changed. */
export function openCursor(keys: TenantKeys, scope: CursorScope, text: string): Cursor {
  const refuse = (cause?: unknown) =>
    new Fault('invalid', 'This page link is not one of this search.', {
      at: '_cursor',
      remedy: 'Follow the links of the result as they were given, or start the search again.',
      cause,
    });
  if (text.length > MAX_CURSOR_CHARS || !/^[A-Za-z0-9_-]+$/.test(text)) throw refuse();
  try {
    return JSON.parse(
      keys.open(Buffer.from(text, 'base64url'), sealContext(scope)).toString('utf8'),
    ) as Cursor;
  } catch (error) {
    // Only a piece that does not authenticate is the caller's fault; a key that is away is not.
    if (isFault(error) && error.category !== 'integrity' && error.category !== 'invalid') throw error;
    throw refuse(error);
  }
}
