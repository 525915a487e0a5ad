/** The API in a process of its own, which tells how long its event loop was held up when asked. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { readConfig } from '../../../src/config.js';
import { openSystem } from '../../../src/system.js';

const config = readConfig({ port: 0 });
const system = await openSystem(config);
const worker = await system.work();
const serving = await system.serve({
  version: '0.0.0',
  dev: false,
  log: (line) => process.stderr.write(`${JSON.stringify(line)}\n`),
  wake: (tenant) => worker.wake(tenant),
});
const RESOLUTION_MS = 10;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

process.on('message', async (message) => {
  if (message === 'reset') {
    delay.reset();
    process.send?.('reset');
  } else if (message === 'delay') {
    const ms = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION_MS);
    process.send?.({ p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) });
  } else if (message === 'stop') {
    await serving.stop();
    await worker.stop();
    await system.close();
    process.disconnect?.();
  }
});
process.send?.({ port: serving.port });
