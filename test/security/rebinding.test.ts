import { createServer, type Server } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { remoteFile } from '../../src/ingest/remote.js';
import { fetchJwks } from '../../src/tenancy/clients-jwks.js';

/**
 * S-41: a name that answers with a public address when it is checked, and with one inside when it is connected to. Names are
 * looked up once, the socket goes to that address, and where it has gone is looked at once more before anything is sent.
 */
const PUBLIC = '93.184.215.14';
const INSIDE = '127.0.0.1';
const answers: string[] = [];
vi.mock('node:dns/promises', async (original) => ({
  ...(await original<typeof import('node:dns/promises')>()),
  lookup: async () => [{ address: answers.shift() ?? '127.0.0.1', family: 4 }],
}));

let inside: Server;
let port: number;
let reached: number;
/** Bytes that got inside. */
let said: number;
/** Where sockets were told to go, by the look-up they were given. */
let gone: string[];

beforeAll(async () => {
  inside = createServer((_request, response) => response.end('{"keys":[]}')).on('connection', (socket) => {
    reached++;
    socket.on('data', (bytes) => {
      said += bytes.length;
    });
  });
  inside.listen(0, INSIDE);
  await new Promise((resolve) => inside.once('listening', resolve));
  port = (inside.address() as AddressInfo).port;
});
afterAll(() => inside.close());

type Connect = { lookup?: (host: string, options: object, done: (...given: unknown[]) => void) => void };

beforeEach(() => {
  reached = 0;
  said = 0;
  gone = [];
  answers.length = 0;
});
afterEach(() => vi.restoreAllMocks());

/** Sockets do not leave this machine: they say where they would go, or go inside as a network in between may make them. */
function trap(redirect: boolean): void {
  const { connect } = Socket.prototype;
  vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...args: unknown[]) {
    const options = (Array.isArray(args[0]) ? args[0][0] : args[0]) as Connect;
    options.lookup?.('rebind.example', { all: false }, (_error, address) => gone.push(String(address)));
    if (redirect) return connect.call(this, { host: INSIDE, port } as never);
    queueMicrotask(() => this.destroy(new Error('stopped by the test')));
    return this;
  } as never);
}

const ways: [string, () => Promise<unknown>][] = [
  ['the keys of a client', () => fetchJwks('https://rebind.example/jwks', new Set())],
  [
    'an input of an import',
    async () => {
      const policy = { origins: ['https://rebind.example'], privateOrigins: [] };
      for await (const _chunk of await remoteFile(
        'https://rebind.example/a.ndjson',
        policy,
        'a.ndjson',
      ).open());
    },
  ],
];

it.each(ways)(
  '%s are fetched from the address that was checked, not from what the name says later',
  async (_what, fetch) => {
    trap(false);
    answers.push(PUBLIC, INSIDE, INSIDE);
    await expect(fetch()).rejects.toMatchObject({ category: 'unavailable' });
    expect(gone).toEqual([PUBLIC]);
    expect(answers).toEqual([INSIDE, INSIDE]);
  },
);

it.each(ways)('%s are not asked for where the socket ends inside after all', async (_what, fetch) => {
  trap(true);
  answers.push(PUBLIC);
  await expect(fetch()).rejects.toMatchObject({ category: 'unavailable' });
  // It was connected, and left before a word was said.
  await vi.waitFor(() => expect(reached).toBe(1));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(said).toBe(0);
});

it.each(ways)('%s are not fetched where the name answers with an address inside', async (_what, fetch) => {
  trap(false);
  answers.push(INSIDE);
  await expect(fetch()).rejects.toMatchObject({ category: expect.stringMatching(/unavailable|unsupported/) });
  expect(gone).toEqual([]);
});
