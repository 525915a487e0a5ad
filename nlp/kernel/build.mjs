/**
 * `npm run build:kernel`: compiles `kernel.ts` (AssemblyScript) to `kernel.wasm`, which is committed, so that running
 * and packing the project need no compiler. Another file may be named for the result.
 */
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const [file = fileURLToPath(new URL('kernel.wasm', import.meta.url))] = process.argv.slice(2);
const { error, stderr } = await asc.main([
  fileURLToPath(new URL('kernel.ts', import.meta.url)),
  ...['--outFile', file, '--runtime', 'stub', '--importMemory', '--initialMemory', '1', '--enable', 'simd'],
  ...['--enable', 'threads', '--sharedMemory', '--maximumMemory', '16384'],
  ...['-O3', '--converge', '--noAssert', '--use', 'abort='],
]);
if (error) {
  process.stderr.write(`${stderr.toString()}\n${error.message}\n`);
  process.exitCode = 1;
}
