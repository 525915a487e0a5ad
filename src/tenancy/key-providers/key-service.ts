import { Fault } from '../../core/fault.js';

/** One try of a call to a key service; there are `ATTEMPTS`, further apart each time. */
const TIMEOUT_MS = 5_000;
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 100;
/** Answers of key services are a few hundred bytes. */
const MAX_ANSWER_BYTES = 256 * 1024;

export interface ServiceCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface ServiceAnswer {
  readonly status: number;
  readonly body: string;
  /** The body as JSON; undefined where it is none. */
  readonly json: unknown;
}

/**
 * Calls a key service over HTTP. `prepare` makes the call anew for each attempt, for signatures carry the time.
 * Tried again when the network fails, when the service says that it is overloaded or not ready, and when `retry` says
 * so; the other answers are the caller's to judge.
 * @throws Fault `unavailable` when no attempt got an answer; it names the service and no address.
 */
export async function callKeyService(
  service: string,
  prepare: () => Promise<ServiceCall> | ServiceCall,
  retry: (answer: ServiceAnswer) => boolean = () => false,
): Promise<ServiceAnswer> {
  let last: ServiceAnswer | undefined;
  let cause: unknown;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (attempt > 0) await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random()));
    try {
      last = await once(await prepare());
      if (last.status !== 429 && last.status < 500 && !retry(last)) return last;
    } catch (error) {
      if (error instanceof Fault) throw error;
      cause = error;
    }
  }
  if (last) return last;
  throw new Fault('unavailable', `The key service (${service}) does not answer.`, {
    remedy:
      'Check its address and that it runs. Nothing is read or written without it, and no other key is used.',
    log:
      cause instanceof Error
        ? `${cause.message} ${String((cause as { cause?: unknown }).cause ?? '')}`
        : String(cause),
    cause,
  });
}

async function once(call: ServiceCall): Promise<ServiceAnswer> {
  const response = await fetch(call.url, {
    method: call.method,
    headers: call.headers,
    body: call.body,
    // A redirect would carry the credentials somewhere else.
    redirect: 'error',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > MAX_ANSWER_BYTES)
      throw new Fault('unavailable', 'The key service answers more than a key service can.');
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks).toString('utf8');
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    json = undefined;
  }
  return { status: response.status, body, json };
}

/** @throws Fault `invalid` for an address that would send keys over an open wire, other than on this machine. */
export function requireSecureAddress(name: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  const local = url && /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (!url || (url.protocol !== 'https:' && !(url.protocol === 'http:' && local)))
    throw new Fault('invalid', `${name} is not an https address.`, { at: name });
  return value.replace(/\/+$/, '');
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
