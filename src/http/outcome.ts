import { Fault, type FaultCategory, isFault } from '../core/fault.js';
import type { Resource } from '../core/resource.js';
import { operationOutcome } from '../fhir/outcome.js';

/** The one table from fault category to HTTP status (R4 http.html, "Status codes"). */
const STATUS: Readonly<Record<FaultCategory, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  gone: 410,
  conflict: 409,
  precondition: 412,
  unsupported: 501,
  'too-large': 413,
  'too-many': 429,
  unavailable: 503,
  timeout: 503,
  integrity: 500,
  internal: 500,
};

/** 422 is for input that parses and is FHIR, but breaks a rule beyond the base (R4 http.html#create). */
const UNPROCESSABLE = new Set(['business-rule', 'invariant', 'code-invalid']);

/** Categories after which the same request may succeed unchanged; `Retry-After` in seconds. */
const RETRY_AFTER_S: Partial<Record<FaultCategory, number>> = { 'too-many': 1, unavailable: 1, timeout: 5 };

/** A fault that only HTTP knows (405, 406, 415, 421 …), with its status and headers. */
export class HttpFault extends Fault {
  constructor(
    readonly status: number,
    message: string,
    options: {
      remedy?: string;
      at?: string;
      issueCode?: string;
      headers?: Readonly<Record<string, string>>;
    } = {},
  ) {
    super('unsupported', message, { issueCode: 'not-supported', ...options });
    this.headers = options.headers ?? {};
  }
  readonly headers: Readonly<Record<string, string>>;
}

/** Status of a fault in HTTP's language. */
export function statusOf(fault: Fault): number {
  if (fault instanceof HttpFault) return fault.status;
  const ofInput = fault.category === 'invalid' || fault.category === 'precondition';
  if (ofInput && fault.issueCode && UNPROCESSABLE.has(fault.issueCode)) return 422;
  // Legal FHIR that is not done here, in an otherwise served interaction, is the caller's to change.
  if (fault.category === 'unsupported' && fault.at) return 400;
  return STATUS[fault.category];
}

/** Anything thrown, as a fault: what is not one is ours, and says nothing to the caller. */
export function asFault(error: unknown): Fault {
  if (isFault(error)) return error;
  return new Fault('internal', 'The server failed to process the request.', {
    remedy: 'Try again; if it goes on, give the operator the X-Request-Id of this answer.',
    cause: error,
  });
}

export interface Failure {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly outcome: Resource;
}

/** Status, extra headers and OperationOutcome for anything thrown. */
export function failure(error: unknown): Failure {
  const fault = asFault(error);
  const headers: Record<string, string> = {};
  if (fault instanceof HttpFault) Object.assign(headers, fault.headers);
  if (fault.category === 'unauthenticated') headers['WWW-Authenticate'] = 'Bearer realm="cenote"';
  const retry = RETRY_AFTER_S[fault.category];
  if (retry !== undefined) headers['Retry-After'] = String(retry);
  return { status: statusOf(fault), headers, outcome: operationOutcome(fault) };
}

const DATABASE_CODE = /^[A-Z0-9_]{2,40}$/;

/**
 * What the log may say of a failure: category, database or system code, our own log text and the places in our
 * code. Never a message of the database or of a parser: those quote values.
 */
export function logText(error: unknown): string {
  const fault = asFault(error);
  const parts: string[] = [fault.category];
  if (fault.log) parts.push(fault.log);
  let cause: unknown = isFault(error) ? error.cause : error;
  for (let depth = 0; cause instanceof Error && depth < 4; depth++) {
    const code = (cause as { code?: unknown }).code;
    parts.push(typeof code === 'string' && DATABASE_CODE.test(code) ? `${cause.name} ${code}` : cause.name);
    const frames = (cause.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
    parts.push(...frames.slice(0, 8).map((line) => line.trim()));
    if (isFault(cause) && cause.log) parts.push(cause.log);
    cause = cause.cause;
  }
  return parts.join(' | ');
}
