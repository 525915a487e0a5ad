import { Fault, type FaultCategory } from './fault.js';

/** A fault as it is sent from one thread to another; its cause stays behind. */
export interface FaultMessage {
  readonly category: FaultCategory;
  readonly message: string;
  readonly at: string | undefined;
  readonly remedy: string | undefined;
  readonly log: string | undefined;
  readonly issueCode: string | undefined;
  readonly also: readonly FaultMessage[];
}

export function faultMessage(fault: Fault): FaultMessage {
  const { category, message, at, remedy, log, issueCode, also } = fault;
  return { category, message, at, remedy, log, issueCode, also: also.map(faultMessage) };
}

export function faultOfMessage({ category, message, also, ...rest }: FaultMessage): Fault {
  return new Fault(category, message, {
    ...(rest as { at?: string; remedy?: string; log?: string; issueCode?: string }),
    also: also.map(faultOfMessage),
  });
}
