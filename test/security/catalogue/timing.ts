import { CANARY, type Lab, type Request } from './lab.js';
import type { Answer, Row } from './trial.js';

/** One thing that is asked of an id, of which nothing may be told but that nothing is there. */
interface Question {
  readonly name: string;
  /** What is there, and hidden. */
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
  get('read', 'hidden', 'Patient/ID'),
  get('read by a scope with a query', 'hidden-1', 'Observation/ID', BY_QUERY),
  get('read of a long one', 'long', 'Observation/ID'),
  get('read of a deleted one', 'gone', 'Observation/ID'),
  get('read of a Binary', 'hidden-file', 'Binary/ID'),
  get('vread of the current version', 'hidden-1', 'Observation/ID/_history/1'),
  get('vread of an older version', 'rewritten', 'Observation/ID/_history/2'),
  get('vread of a version that never was', 'rewritten', 'Observation/ID/_history/99'),
  get('history', 'hidden-1', 'Observation/ID/_history'),
  get('$everything', 'hidden', 'Patient/ID/$everything'),
  get('$timeline', 'hidden', 'Patient/ID/$timeline'),
  get('$meta', 'hidden-1', 'Observation/ID/$meta'),
  get('_id', 'hidden-1', 'Observation?_id=ID'),
  get('a compartment', 'hidden', 'Patient/ID/Observation'),
  get('a reference', 'hidden', 'Observation?subject=Patient/ID'),
  {
    name: 'read in a batch',
    hidden: 'hidden-1',
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
    hidden: 'hidden-1',
    scope: WRITES,
    ask: (id) => ({ method: 'DELETE', path: `Observation/${id}` }),
  },
  {
    name: 'delete of a version',
    hidden: 'hidden-1',
    scope: WRITES,
    ask: (id) => ({ method: 'DELETE', path: `Observation/${id}`, headers: { 'If-Match': 'W/"1"' } }),
  },
  {
    name: 'conditional delete',
    hidden: 'hidden-1',
    scope: WRITES,
    ask: (id) => ({ method: 'DELETE', path: `Observation?_id=${id}` }),
  },
  {
    name: 'patch',
    hidden: 'hidden-1',
    scope: WRITES,
    ask: (id) => ({ method: 'PATCH', path: `Observation/${id}`, ...PATCH }),
  },
  {
    name: 'conditional patch',
    hidden: 'hidden-1',
    scope: WRITES,
    ask: (id) => ({ method: 'PATCH', path: `Observation?_id=${id}`, ...PATCH }),
  },
  {
    name: 'conditional update',
    hidden: 'hidden-1',
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

/** Ids that never were: each absent one is asked for as often as chance has it. */
const ABSENT = Array.from({ length: 40 }, (_, i) => `never-was-${i}`);
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
        const [hidden, absent] = [question.hidden, ABSENT[0]!];
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
        const { told, equals } = await timed(rounds, question.hidden, (id) => send(question, id));
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

/** More of the other patient: a file, a long text, one that was rewritten, one that is gone. */
async function fill(lab: Lab): Promise<void> {
  const token = await lab.token('system/*.cruds');
  const put = (type: string, id: string, body: object) =>
    lab.send({ method: 'PUT', path: `${type}/${id}`, token, body: { resourceType: type, id, ...body } });
  const subject = { reference: 'Patient/hidden' };
  const observation = { status: 'final', code: { text: CANARY }, subject };
  await put('Binary', 'hidden-file', {
    contentType: 'text/plain',
    data: Buffer.from(CANARY).toString('base64'),
    securityContext: subject,
  });
  const words = Array.from({ length: 20_000 }, (_, i) => ((i * 7919) % 9973).toString(36));
  await put('Observation', 'long', { ...observation, note: [{ text: words.join(' ') }] });
  for (let i = 0; i < 4; i++)
    await put('Observation', 'rewritten', { ...observation, code: { text: `${i}` } });
  await put('Observation', 'gone', observation);
  await lab.send({ method: 'DELETE', path: 'Observation/gone', token });
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
  hidden: string,
  send: (id: string) => Promise<Answer>,
): Promise<{ told: number; equals: number }> {
  const times: Record<'hidden' | 'one' | 'other', number[]> = { hidden: [], one: [], other: [] };
  const absent = () => ABSENT[Math.floor(Math.random() * ABSENT.length)]!;
  for (let i = 0; i < rounds; i++)
    for (const which of (['hidden', 'one', 'other'] as const).toSorted(() => Math.random() - 0.5))
      times[which].push((await send(which === 'hidden' ? hidden : absent())).ms);
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
