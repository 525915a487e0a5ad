/**
 * The closed set of ways something can fail. No category knows HTTP or exit codes: each shell
 * (`src/http/outcome.ts`, `src/cli/report.ts`) has one table from category to its own language.
 */
export type FaultCategory =
  | 'invalid' // the input breaks a rule; the caller can mend it
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'gone' // existed once and was deleted
  | 'conflict' // lost a race, or contradicts the current state
  | 'precondition' // If-Match, If-None-Match, conditional criteria not selective enough
  | 'unsupported' // legal FHIR that this server does not do
  | 'too-large'
  | 'too-many' // a quota of the caller
  | 'unavailable' // a dependency (database, key provider) is not there now; retry later
  | 'timeout'
  | 'integrity' // stored data failed its authentication
  | 'internal';

export interface FaultOptions {
  /** FHIRPath-like place in the caller's input, such as `Patient.birthDate`. Never a value from it. */
  at?: string;
  /** What the caller can do about it, a full sentence. */
  remedy?: string;
  /** For the log only: may name rows, SQL states and files of ours, never note text or identifiers. */
  log?: string;
  cause?: unknown;
  /** FHIR issue-type code when the category's default is not the best one. */
  issueCode?: string;
  /** Further faults found in the same input. */
  also?: Fault[];
}

/** An expected failure. `message` is for the caller and carries no note text and no identifiers. */
export class Fault extends Error {
  readonly category: FaultCategory;
  readonly at: string | undefined;
  readonly remedy: string | undefined;
  readonly log: string | undefined;
  readonly issueCode: string | undefined;
  readonly also: Fault[];

  constructor(category: FaultCategory, message: string, options: FaultOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'Fault';
    this.category = category;
    this.at = options.at;
    this.remedy = options.remedy;
    this.log = options.log;
    this.issueCode = options.issueCode;
    this.also = options.also ?? [];
  }
}

/** Shorthand for the commonest fault: input that breaks a rule at a named place. */
export function invalid(message: string, at?: string, remedy?: string): Fault {
  return new Fault('invalid', message, { at, remedy });
}

export function isFault(error: unknown): error is Fault {
  return error instanceof Fault;
}
