import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, posix } from 'node:path';
import { packageRoot } from '../core/package-root.js';

/** The page's own scripts and styles only; it talks to its own origin and is framed by nobody. */
const PAGE_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
};

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
  /** Assets carry a hash of their content in their name. */
  readonly immutable: boolean;
}

/** The built page, read once: nothing of a request's path ever reaches the file system. */
function readPage(folder: string): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  const walk = (from: string, path: string) => {
    for (const name of readdirSync(from)) {
      const file = join(from, name);
      const url = posix.join(path, name);
      if (statSync(file).isDirectory()) walk(file, url);
      else {
        const type = TYPES[extname(name)];
        if (type) files.set(url, { type, bytes: readFileSync(file), immutable: path.startsWith('/assets') });
      }
    }
  };
  if (existsSync(folder)) walk(folder, '/');
  const index = files.get('/index.html');
  if (index) files.set('/', index);
  return files;
}

/** Serves the web page at `/`; everything else goes on to the next handler. */
export function pageHandler(
  folder = join(packageRoot(), 'dist', 'web'),
): (request: IncomingMessage, response: ServerResponse, next: () => void) => void {
  const files = readPage(folder);
  return (request, response, next) => {
    const path = (request.url ?? '/').split('?', 1)[0]!;
    const file = request.method === 'GET' || request.method === 'HEAD' ? files.get(path) : undefined;
    if (!file) {
      next();
      return;
    }
    response.writeHead(200, {
      ...PAGE_HEADERS,
      'Content-Type': file.type,
      'Content-Length': String(file.bytes.length),
      'Cache-Control': file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
    response.end(request.method === 'HEAD' ? undefined : file.bytes);
  };
}
