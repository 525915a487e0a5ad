import { CANARY, type Lab, type Request } from './lab.js';
import type { Answer, Row } from './trial.js';

/** One thing that is asked of an id, of which nothing may be told but that nothing is there. */
interface Question {
  readonly name: string;
  /** Of what is there and hidden: the beginning of ids that end in a number. */
  readonly hidden: string;
  readonly scope: string;
  ask(id: string): Request;
}

const get = (name: string, hidden: string, path: string, scope = 'patient/*.rs'): Question => ({
  name,
  hidden,
  scope,
  ask: (id) => ({ path: path.replace('ID', id) }),
});
const WRITES = 'patient/*.cruds';
/** A query that no record of the lab meets. */
const BY_QUERY = 'system/Observation.rs?code=http://loinc.org|1-1';
const PATCH = {
  headers: { 'Content-Type': 'application/json-patch+json' },
  body: [{ op: 'add', path: '/issued', value: '2020-01-01T00:00:00Z' }],
};

const QUESTIONS: readonly Question[] = [
  get('read', 'far', 'Patient/ID'),
  get('read by a scope with a query', 'far-reading', 'Observation/ID', BY_QUERY),
  get('read of a long one', 'far-long', 'Observation/ID'),
  get('read of a deleted one', 'far-gone', 'Observation/ID'),
  get('read of a Binary', 'far-file', 'Binary/ID'),
  get('vread of the current version', 'far-reading', 'Observation/ID/_history/1'),
  get('vread of an older version', 'far-rewritten', 'Observation/ID/_history/2'),
  get('vread of a version that never was', 'far-rewritten', 'Observation/ID/_history/99'),
  get('history', 'far-reading', 'Observation/ID/_history'),
  get('$everything', 'far', 'Patient/ID/$everything'),
  get('$timeline', 'far', 'Patient/ID/$timeline'),
  get('$meta', 'far-reading', 'Observation/ID/$meta'),
  get('_id', 'far-reading', 'Observation?_id=ID'),
  get('a compartment', 'far', 'Patient/ID/Observation'),
  get('a reference', 'far', 'Observation?subject=Patient/ID'),
  {
    name: 'read in a batch',
    hidden: 'far-reading',
    scope: 'patient/*.rs',
    ask: (id) => ({
      method: 'POST',
      path: '',
      body: {
        resourceType: 'Bundle',
        type: 'batch',
        entry: [{ request: { method: 'GET', url: `Observation/${id}` } }],
      },
    }),
  },
  {
    name: 'delete',
    hidden: 'far-reading',
    scope: WRITES,
    ask: (id) => ({ method: 'DELETE', path: `Observation/${id}` }),
  },
  {
    name: 'delete of a version',
    hidden: 'far-reading',
    scope: WRITES,
    ask: (id) => ({ method: 'DELETE', path: `Observation/${id}`, headers: { 'If-Match': 'W/"1"' } }),
  },
  {
    name: 'conditional delete',
    hidden: 'far-reading',
    scope: WRITES,
    ask: (id) => ({ method: 'DELETE', path: `Observation?_id=${id}` }),
  },
  {
    name: 'patch',
    hidden: 'far-reading',
    scope: WRITES,
    ask: (id) => ({ method: 'PATCH', path: `Observation/${id}`, ...PATCH }),
  },
  {
    name: 'conditional patch',
    hidden: 'far-reading',
    scope: WRITES,
    ask: (id) => ({ method: 'PATCH', path: `Observation?_id=${id}`, ...PATCH }),
  },
  {
    name: 'conditional update',
    hidden: 'far-reading',
    scope: WRITES,
    // Of another patient, so that nothing is written where nothing matches.
    ask: (id) => ({
      method: 'PUT',
      path: `Observation?_id=${id}`,
      body: {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'pulse' },
        subject: { reference: 'Patient/somebody' },
      },
    }),
  },
];

/**
 * As many hidden ones as absent ones, each asked for as often as chance has it: one row that is asked for time and again
 * is in every cache, and quicker for that alone.
 */
const EACH = 40;
const ABSENT = Array.from({ length: EACH }, (_, i) => `never-was-${i}`);
const hiddenIds = (kind: string) => Array.from({ length: EACH }, (_, i) => `${kind}-${i}`);
/** Rounds of three requests: the first question was the leak that was found, and is looked at longest. */
const ROUNDS = 500;
const FIRST_ROUNDS = 1_500;
/** What a guess from one answer may be better than tossing a coin. */
const MAX_TOLD = 0.05;

export const TIMING: readonly Row[] = [
  {
    id: 'S-55',
    title: 'what an answer and its time tell of what is hidden',
    async attack(lab, t) {
      await fill(lab);
      const tokens = new Map<string, string>();
      for (const { scope } of QUESTIONS)
        if (!tokens.has(scope))
          tokens.set(scope, await lab.token(scope, scope.startsWith('patient/') ? { patient: 'mine' } : {}));
      const send = async ({ ask, scope }: Question, id: string) =>
        lab.send({ ...ask(id), token: tokens.get(scope)! });
      for (const question of QUESTIONS) {
        const [hidden, absent] = [hiddenIds(question.hidden)[0]!, ABSENT[0]!];
        const [one, other] = [await send(question, hidden), await send(question, absent)];
        const same = alike(one, hidden) === alike(other, absent);
        t.check(
          `${question.name}: hidden is answered as absent`,
          same && !one.text.includes(CANARY),
          `${alike(one, hidden)} and ${alike(other, absent)}`,
        );
      }
      if (lab.quick) return;
      for (const [i, question] of QUESTIONS.entries()) {
        const rounds = i === 0 ? FIRST_ROUNDS : ROUNDS;
        const { told, equals } = await timed(rounds, hiddenIds(question.hidden), (id) => send(question, id));
        const allowed = MAX_TOLD + 4 * Math.sqrt(1 / (6 * rounds));
        t.check(
          `${question.name}: the time of one answer does not tell hidden from absent`,
          Math.abs(told - 0.5) < allowed,
          `hidden is the slower one in ${percent(told)} of pairs, of two absent one in ${percent(equals)}`,
        );
      }
    },
  },
];

/** Other patients, of each a reading, a file, a long text, a text that was rewritten and one that is gone. */
async function fill(lab: Lab): Promise<void> {
  const token = await lab.token('system/*.cruds');
  const words = Array.from({ length: 5_000 }, (_, i) => ((i * 7919) % 9973).toString(36)).join(' ');
  const put = (resourceType: string, id: string, body: object) => ({
    request: { method: 'PUT', url: `${resourceType}/${id}` },
    resource: { resourceType, id, ...body },
  });
  const batch = async (entry: readonly object[]) =>
    lab.send({ method: 'POST', path: '', token, body: { resourceType: 'Bundle', type: 'batch', entry } });
  for (let i = 0; i < EACH; i++) {
    const subject = { reference: `Patient/far-${i}` };
    const observation = { status: 'final', code: { text: CANARY }, subject };
    const file = {
      contentType: 'text/plain',
      data: Buffer.from(CANARY).toString('base64'),
      securityContext: subject,
    };
    await batch([
      put('Patient', `far-${i}`, { name: [{ family: CANARY }] }),
      put('Binary', `far-file-${i}`, file),
      put('Observation', `far-reading-${i}`, observation),
      put('Observation', `far-long-${i}`, { ...observation, note: [{ text: words }] }),
      put('Observation', `far-gone-${i}`, observation),
    ]);
    for (let version = 0; version < 4; version++)
      await batch([
        put('Observation', `far-rewritten-${i}`, { ...observation, code: { text: `${version}` } }),
      ]);
    await batch([{ request: { method: 'DELETE', url: `Observation/far-gone-${i}` } }]);
  }
}

/** What an answer says, without the id that was asked for and what differs from answer to answer. */
function alike({ status, headers, text }: Answer, id: string): string {
  const names = Object.keys(headers).sort().join();
  const said = text
    .replaceAll(id, 'ID')
    .replaceAll(/"(lastUpdated|timestamp)":"[^"]*"|_cursor=[\w-]+|"id":"[^"]*"/g, '');
  return `${status} ${names} ${headers.etag ?? ''} ${said}`;
}

/** In an order of chance, so that what else the machine does falls on all alike; two absent ids tell how far apart equals are. */
async function timed(
  rounds: number,
  hidden: readonly string[],
  send: (id: string) => Promise<Answer>,
): Promise<{ told: number; equals: number }> {
  const times: Record<'hidden' | 'one' | 'other', number[]> = { hidden: [], one: [], other: [] };
  const any = (ids: readonly string[]) => ids[Math.floor(Math.random() * ids.length)]!;
  for (let i = 0; i < rounds; i++)
    for (const which of (['hidden', 'one', 'other'] as const).toSorted(() => Math.random() - 0.5))
      times[which].push((await send(any(which === 'hidden' ? hidden : ABSENT))).ms);
  return { told: slower(times.hidden, times.one), equals: slower(times.other, times.one) };
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** In which share of all pairs the first list has the greater number (Mann and Whitney's U, as a share). */
function slower(one: readonly number[], other: readonly number[]): number {
  const sorted = [...other].sort((a, b) => a - b);
  let below = 0;
  for (const value of one) {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < value) low = middle + 1;
      else high = middle;
    }
    below += low;
  }
  return below / (one.length * other.length);
}
