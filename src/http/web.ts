import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import type { Express, Request, Response } from 'express';
import { packageRoot } from '../core/package-root.js';
import { SECURITY_HEADERS } from './respond.js';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json; charset=utf-8',
  '.woff2': 'font/woff2',
};

/** The page runs its own script, talks to this server alone, and is framed by nobody. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A built page has a handful of files; more than this is a mistake of the build. */
const MAX_FILES = 200;

/**
 * Serves the built web page (`dist/web`), which works through the public API. The files are read once and known by
 * name: no request ever names a path of the disk.
 */
export function serveWeb(app: Express): void {
  const folder = join(packageRoot(), 'dist', 'web');
  if (!existsSync(folder)) return;
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  for (const file of files.slice(0, MAX_FILES)) {
    const type = TYPES[extname(file.name)];
    if (!type) continue;
    const path = join(file.parentPath, file.name);
    const name = path.slice(folder.length).replaceAll('\\', '/');
    const handle = answerWith(readFileSync(path), type);
    app.get(name, handle);
    if (name === '/index.html') app.get('/', handle);
  }
}

/** The page holds no record: it may be kept, as long as the server is asked whether it still is the one. */
function answerWith(body: Buffer, type: string): (request: Request, response: Response) => void {
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  const headers = {
    ...SECURITY_HEADERS,
    'Cache-Control': 'no-cache',
    'Content-Security-Policy': POLICY,
    ETag: tag,
  };
  return (request, response) => {
    if (request.headers['if-none-match'] === tag) {
      response.writeHead(304, headers).end();
      return;
    }
    response
      .writeHead(200, { ...headers, 'Content-Type': type, 'Content-Length': String(body.length) })
      .end(body);
  };
}
