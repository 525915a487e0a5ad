import { gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

/** All of the page together, as a browser fetches it, in bytes; `test/web/bundle.test.ts` holds it too. */
const MAX_GZIP_BYTES = 200_000;

/** Says what the page weighs, and fails the build where it weighs too much. */
const weight = {
  name: 'weight',
  generateBundle(_options, files) {
    const bytes = Object.values(files).reduce(
      (sum, file) => sum + gzipSync(file.type === 'chunk' ? file.code : file.source).length,
      0,
    );
    console.log(`page: ${(bytes / 1000).toFixed(1)} kB gzip, of ${MAX_GZIP_BYTES / 1000} at most`);
    if (bytes > MAX_GZIP_BYTES) this.error('The page is too heavy.');
  },
};

// Everything is served by our own process under a strict content-security policy: no inline code, no other host.
export default defineConfig({
  root: import.meta.dirname,
  base: '/',
  logLevel: 'warn',
  plugins: [weight],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../../dist/web',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
});
