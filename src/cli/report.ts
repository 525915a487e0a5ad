import { type FaultCategory, isFault } from '../core/fault.js';

/** Exit statuses of every command. */
export const EXIT = {
  ok: 0,
  /** The job ran to its end and found something wrong (`--strict`, `verify`). */
  foundWrong: 1,
  couldNotRun: 2,
  /** Stored data failed its authentication. */
  damaged: 3,
  /** A defect of ours (EX_SOFTWARE of sysexits.h). */
  defect: 70,
} as const;

/** From a fault's category to the exit status. */
const STATUS: Readonly<Record<FaultCategory, number>> = {
  invalid: EXIT.couldNotRun,
  unauthenticated: EXIT.couldNotRun,
  forbidden: EXIT.couldNotRun,
  'not-found': EXIT.couldNotRun,
  gone: EXIT.couldNotRun,
  conflict: EXIT.couldNotRun,
  precondition: EXIT.couldNotRun,
  unsupported: EXIT.couldNotRun,
  'too-large': EXIT.couldNotRun,
  'too-many': EXIT.couldNotRun,
  unavailable: EXIT.couldNotRun,
  timeout: EXIT.couldNotRun,
  integrity: EXIT.damaged,
  internal: EXIT.defect,
};

export function exitStatus(error: unknown): number {
  return isFault(error) ? STATUS[error.category] : EXIT.defect;
}

/** One plain line on stderr; returns the exit status. */
export function reportError(
  error: unknown,
  write: (text: string) => void = (t) => process.stderr.write(t),
): number {
  write(`cenote: ${describeError(error)}\n`);
  return exitStatus(error);
}

/** Where and what went wrong and what to do about it, in one line. */
export function describeError(error: unknown): string {
  if (isFault(error)) {
    const also = error.also.length > 0 ? ` (and ${error.also.length} more)` : '';
    const place = error.at === undefined || error.message.includes(error.at) ? '' : `${error.at}: `;
    return [`${place}${error.message}${also}`, error.remedy].filter(Boolean).join(' ').replaceAll('\n', ' ');
  }
  // Not a fault: its message may quote data, so its kind and where it arose are all that is shown.
  if (error instanceof Error) {
    const code = (error as { code?: unknown }).code;
    const where = /\((?:file:\/\/)?([^()]*:\d+:\d+)\)|at (?:file:\/\/)?(\S+:\d+:\d+)/.exec(error.stack ?? '');
    return `unexpected ${error.name}${typeof code === 'string' ? ` ${code}` : ''} at ${where?.[1] ?? where?.[2] ?? 'an unknown place'}. This is a defect; please report it.`;
  }
  return 'unexpected error of an unknown kind. This is a defect; please report it.';
}
