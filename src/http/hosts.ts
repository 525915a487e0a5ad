import { isIP } from 'node:net';

/** Names and addresses of this very machine. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (bare === 'localhost' || bare === '::1') return true;
  return isIP(bare) === 4 && bare.startsWith('127.');
}

const HOST = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]{1,253})(?::(\d{1,5}))?$/i;

/** Host name and port of a Host header; undefined when it is malformed. */
export function parseHost(
  header: string | undefined,
): { name: string; port: string | undefined } | undefined {
  const found = header === undefined ? null : HOST.exec(header);
  return found ? { name: found[1]!, port: found[2] } : undefined;
}

/**
 * Where links in answers start. A configured address that clients can reach is taken as it is; a local one is
 * only where we listen, so the address the client itself used stands in its place.
 */
export function publicUrl(configured: string, hostHeader: string | undefined): string {
  const url = new URL(configured);
  const local = isLoopback(url.hostname) || url.hostname === '0.0.0.0' || url.hostname === '[::]';
  if (!local || !parseHost(hostHeader)) return configured;
  return `${url.protocol}//${hostHeader}`;
}

/**
 * How we may be named where a signature depends on it: as configured, or, where that is this very machine, by the
 * loopback address the caller used. A name that only the caller gives us never counts.
 */
export function ownOrigin(configured: string, hostHeader: string | undefined): string {
  const host = parseHost(hostHeader);
  return host && isLoopback(host.name) ? publicUrl(configured, hostHeader) : configured;
}
