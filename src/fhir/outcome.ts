import type { Fault, FaultCategory } from '../core/fault.js';
import type { Resource } from '../core/resource.js';

/** FHIR issue-type code of each category, where the fault names none itself (R4 valueset-issue-type). */
const ISSUE_CODES: Record<FaultCategory, string> = {
  invalid: 'invalid',
  unauthenticated: 'login',
  forbidden: 'forbidden',
  'not-found': 'not-found',
  gone: 'deleted',
  conflict: 'conflict',
  precondition: 'conflict',
  unsupported: 'not-supported',
  'too-large': 'too-long',
  'too-many': 'throttled',
  unavailable: 'transient',
  timeout: 'timeout',
  integrity: 'exception',
  internal: 'exception',
};

const FATAL = new Set<FaultCategory>(['integrity', 'internal']);

/** An outcome names at most this many issues; the last one then says that there are more. */
export const MAX_ISSUES = 100;

/**
 * The OperationOutcome of a fault and of those found with it. `severity` is `error` unless given; a warning entry of
 * a search passes `warning`. Says only what the fault says to callers: message, place and remedy.
 */
export function operationOutcome(
  fault: Fault | readonly Fault[],
  severity?: 'warning' | 'information',
): Resource {
  const faults = 'category' in fault ? [fault, ...fault.also] : fault.flatMap((f) => [f, ...f.also]);
  const issues = faults.slice(0, MAX_ISSUES).map((f) => issueOf(f, severity));
  if (faults.length > MAX_ISSUES) {
    issues.push({
      severity: 'information',
      code: 'informational',
      diagnostics: `${faults.length - MAX_ISSUES} more issues are not listed.`,
    });
  }
  return { resourceType: 'OperationOutcome', issue: issues };
}

/** FHIR issue-type of a fault. */
export function issueCode(fault: Pick<Fault, 'category' | 'issueCode'>): string {
  return fault.issueCode ?? ISSUE_CODES[fault.category];
}

function issueOf(fault: Fault, severity?: string): Record<string, unknown> {
  const remedy = fault.remedy ? ` ${fault.remedy}` : '';
  return {
    severity: severity ?? (FATAL.has(fault.category) ? 'fatal' : 'error'),
    code: issueCode(fault),
    diagnostics: `${fault.message}${remedy}`,
    ...(fault.at === undefined ? {} : { expression: [fault.at] }),
  };
}

/** An outcome that only informs: that an operation went well. */
export function informationOutcome(text: string): Resource {
  return {
    resourceType: 'OperationOutcome',
    issue: [{ severity: 'information', code: 'informational', diagnostics: text }],
  };
}
