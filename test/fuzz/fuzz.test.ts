import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Listening, listen } from '../../src/http/server.js';
import { BASE, type Served, serve } from '../http/served.js';
import { fuzz } from './fuzz.js';
import { sender } from './sender.js';

/** A short run of `npm run fuzz`: no input that we can think of makes the server fail. */
let served: Served;
let server: Listening;
beforeAll(async () => {
  served = await serve({ dev: false });
  server = await listen(served.app, { host: '127.0.0.1', port: 0, dev: false });
});
afterAll(async () => {
  await server.stop();
  await served.close();
});

const SEED = 7;
const ROUNDS = 60;
const MOST_MS = 10_000;

it('answers damaged requests and reads damaged documents without an error of its own', async () => {
  const token = await served.token('lake', 'system/*.cruds');
  const end = Date.now() + MOST_MS;
  let left = ROUNDS;
  const { rounds, findings } = await fuzz(
    { base: BASE, token, send: sender(server.port) },
    { seed: SEED, until: () => left-- <= 0 || Date.now() > end },
  );
  expect(findings).toEqual([]);
  expect(rounds.bodies).toBeGreaterThan(5);
});
