/** The API in a process of its own, which tells how long its event loop was held up when asked. */
import { readConfig } from '../../../src/config.js';
import { openSystem } from '../../../src/system.js';
import { watchLoop } from './loop-delay.js';

const config = readConfig({ port: 0 });
const system = await openSystem(config);
// Unpacking the reader's weights, once at the first note, is no attack's doing (SECURITY.md tells of it).
await system.annotation();
const worker = await system.work();
const serving = await system.serve({
  version: '0.0.0',
  dev: false,
  log: (line) => process.stderr.write(`${JSON.stringify(line)}\n`),
  wake: (tenant) => worker.wake(tenant),
});
const loop = watchLoop();

process.on('message', async (message) => {
  if (message === 'reset') {
    loop.reset();
    process.send?.('reset');
  } else if (message === 'delay') {
    process.send?.(loop.delay());
  } else if (message === 'stop') {
    await serving.stop();
    await worker.stop();
    await system.close();
    process.disconnect?.();
  }
});
process.send?.({ port: serving.port });
