import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { Fault } from '../core/fault.js';
import { operationOutcome } from '../fhir/outcome.js';
import { readSecretFile } from '../tenancy/secret-file.js';
import type { App } from './app.js';
import { isLoopback } from './hosts.js';
import { SECURITY_HEADERS } from './respond.js';

/** Time a client has to send its headers, and its whole request (slow-loris). */
const HEADERS_TIMEOUT_MS = 10_000;
const RECEIVE_TIMEOUT_MS = 120_000;
/** Longer than the idle time of common load balancers, so that they close first and never meet a closed connection. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const MAX_HEADER_BYTES = 16 * 1024;
/** How often connections are looked at; Node's own half minute would make ten seconds forty. */
const TIMEOUT_CHECK_MS = 1_000;
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
  /** Speaks TLS with this certificate; plain HTTP without. */
  readonly tls?: TlsFiles | undefined;
  /** A proxy that speaks TLS stands before us: then plain HTTP may be listened for elsewhere than on loopback. */
  readonly behindTlsProxy?: boolean;
  /** Time for the headers of a request, in ms. */
  readonly headersTimeoutMs?: number;
}

/** Files in PEM: the certificate with its chain, and its private key, mode 0600. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Listens.
 * @throws Fault `invalid` for an address that would be insecure, `forbidden` for a private key that others may read,
 * `unavailable` for a busy port.
 */
export async function listen(app: App, options: ListenOptions): Promise<Listening> {
  const { host, port, lingerMs = 0, headersTimeoutMs = HEADERS_TIMEOUT_MS } = options;
  requireSecure(options);
  const limits: ServerOptions = {
    maxHeaderSize: MAX_HEADER_BYTES,
    requireHostHeader: true,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, headersTimeoutMs),
  };
  const server = options.tls ? tlsServer(app, limits, options.tls) : createServer(limits, app.express);
  server.on('clientError', refuseUnread);
  server.headersTimeout = headersTimeoutMs;
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

/**
 * Development mode asks for no token: nobody but this machine may reach it. Records and tokens cross no network in
 * the clear.
 * @throws Fault `invalid`
 */
export function requireSecure({
  host,
  dev,
  tls,
  behindTlsProxy,
}: Pick<ListenOptions, 'host' | 'dev' | 'tls' | 'behindTlsProxy'>): void {
  if (isLoopback(host)) return;
  if (dev) {
    throw new Fault('invalid', '--dev asks for no token and listens on a loopback address only.', {
      at: '--host',
      remedy: 'Leave --host out, or leave --dev out and use tokens.',
    });
  }
  if (tls || behindTlsProxy) return;
  throw new Fault('invalid', 'Without TLS only a loopback address is listened on.', {
    at: '--host',
    remedy:
      'Set CENOTE_TLS_CERT and CENOTE_TLS_KEY, or CENOTE_TLS_PROXY=yes where a proxy that speaks TLS is the only way here.',
  });
}

function tlsServer(app: App, limits: ServerOptions, files: TlsFiles): Server {
  const context = secureContext(files);
  try {
    return createTlsServer({ ...limits, ...context, minVersion: 'TLSv1.2' }, app.express);
  } catch (cause) {
    throw new Fault('invalid', 'Certificate and key cannot be used together.', {
      at: 'CENOTE_TLS_CERT',
      remedy: 'Give a certificate with its chain and the key that belongs to it, both in PEM.',
      cause,
    });
  }
}

function secureContext({ cert, key }: TlsFiles): { cert: Buffer; key: Buffer } {
  const read = (setting: string, path: string, how: (path: string) => Buffer): Buffer => {
    try {
      return how(path);
    } catch (cause) {
      if (cause instanceof Fault) throw cause;
      throw new Fault('invalid', `The file of ${setting} cannot be read.`, { at: setting, cause });
    }
  };
  return {
    cert: read('CENOTE_TLS_CERT', cert, readFileSync),
    key: read('CENOTE_TLS_KEY', key, readSecretFile),
  };
}

const UNREAD: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'The headers are larger than 16 KB.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The request did not come in time.'],
};

/** What is no HTTP never reaches the application: it is answered here, as everything else is. */
function refuseUnread(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, message] = UNREAD[error.code ?? ''] ?? ['400 Bad Request', 'The request is no valid HTTP.'];
  const body = JSON.stringify(operationOutcome(new Fault('invalid', message)));
  const headers = {
    ...SECURITY_HEADERS,
    'Content-Type': 'application/fhir+json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`);
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
