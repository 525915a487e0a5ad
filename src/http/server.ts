import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Fault } from '../core/fault.js';
import type { App } from './app.js';
import { isLoopback } from './hosts.js';

/** Time a client has to send its headers, and its whole request (slow-loris). */
const HEADERS_TIMEOUT_MS = 10_000;
const RECEIVE_TIMEOUT_MS = 120_000;
/** Longer than the idle time of common load balancers, so that they close first and never meet a closed connection. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_CONNECTIONS = 5_000;
/** Time that requests under way have to end after the stop. */
const DRAIN_MS = 20_000;
const IDLE_SWEEP_MS = 50;

export interface Listening {
  readonly port: number;
  /** Stops taking requests, lets those under way end, closes. */
  stop(): Promise<void>;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly dev: boolean;
  /** Time between saying "not ready" and refusing connections, for balancers to notice. */
  readonly lingerMs?: number;
}

/**
 * Listens.
 * @throws Fault `invalid` for another address than loopback in development mode, `unavailable` for a busy port.
 */
export async function listen(app: App, { host, port, dev, lingerMs = 0 }: ListenOptions): Promise<Listening> {
  if (dev) requireLoopback(host);
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: true }, app.express);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = RECEIVE_TIMEOUT_MS;
  server.keepAliveTimeout = KEEP_ALIVE_TIMEOUT_MS;
  server.maxConnections = MAX_CONNECTIONS;
  await started(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      app.drain();
      if (lingerMs > 0) await new Promise((resolve) => setTimeout(resolve, lingerMs));
      await closed(server);
    },
  };
}

/** Development mode asks for no token: nobody but this machine may reach it. */
export function requireLoopback(host: string): void {
  if (isLoopback(host)) return;
  throw new Fault('invalid', '--dev asks for no token and listens on a loopback address only.', {
    at: '--host',
    remedy: 'Leave --host out, or leave --dev out and use tokens.',
  });
}

function started(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const reason =
        cause.code === 'EADDRINUSE'
          ? `Port ${port} is in use.`
          : `The address ${host}:${port} cannot be listened on.`;
      reject(
        new Fault('unavailable', reason, {
          at: '--port',
          remedy: 'Choose another with --port, or stop what uses it.',
          cause,
        }),
      );
    });
    server.listen({ host: host.replace(/^\[|\]$/g, ''), port }, resolve);
  });
}

/** A connection whose last request just ended is idle, and would be kept open for the next one: it is closed. */
function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const sweep = setInterval(() => server.closeIdleConnections(), IDLE_SWEEP_MS);
    const end = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    server.close(() => {
      clearInterval(sweep);
      clearTimeout(end);
      resolve();
    });
    server.closeIdleConnections();
  });
}
