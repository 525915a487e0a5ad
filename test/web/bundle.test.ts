import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';

const BUILT = join(packageRoot(), 'dist', 'web');
const MAX_GZIP_BYTES = 200_000;

describe.skipIf(!existsSync(BUILT))('the page as it is built', () => {
  const files = existsSync(BUILT)
    ? readdirSync(BUILT, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
    : [];

  it('weighs less than 200 kB, compressed', () => {
    const bytes = files.reduce(
      (sum, { parentPath, name }) => sum + gzipSync(readFileSync(join(parentPath, name))).length,
      0,
    );
    console.log(`page: ${(bytes / 1000).toFixed(1)} kB gzip`);
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(MAX_GZIP_BYTES);
  });

  it('holds nothing inline that its policy would forbid', () => {
    const html = readFileSync(join(BUILT, 'index.html'), 'utf8');
    expect(html).not.toMatch(/<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=/i);
    expect(html).not.toMatch(/https?:\/\//);
  });
});
