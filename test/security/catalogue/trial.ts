import type { IncomingHttpHeaders } from 'node:http';
import type { Lab } from './lab.js';

/** One answer of the API. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server sent
  readonly json: any;
  readonly ms: number;
}

/** One row of the attack catalogue. */
export interface Row {
  readonly id: string;
  readonly title: string;
  /** Takes seconds: left to `npm run test:security`. */
  readonly slow?: boolean;
  attack(lab: Lab, trial: Trial): Promise<void>;
}

export interface Input {
  readonly name: string;
  /** Undefined where the answer was right. */
  readonly wrong: string | undefined;
}

/** What no answer may hold: our insides, the database's, and its files. */
const INSIDES =
  /\n\s+at |node_modules|\/src\/|\.js:\d|select .* from |syntax error at|violates|relation "|pg_|ECONNREFUSED/i;

/** Collects what was tried in one row, and whether the answer was right. */
export class Trial {
  readonly inputs: Input[] = [];
  /** The longest a single answer took, in ms. */
  slowestMs = 0;

  /** The answer has one of these statuses, carries the headers of every answer, and tells nothing of our insides. */
  answer(name: string, answer: Answer, right: readonly number[] | ((answer: Answer) => boolean)): void {
    this.slowestMs = Math.max(this.slowestMs, answer.ms);
    const wrong: string[] = [];
    const fine = typeof right === 'function' ? right(answer) : right.includes(answer.status);
    if (!fine) wrong.push(`answered ${answer.status} ${answer.text.slice(0, 160).replaceAll('\n', ' ')}`);
    if (answer.headers['x-content-type-options'] !== 'nosniff') wrong.push('no nosniff');
    if (!answer.headers['content-security-policy']) wrong.push('no content security policy');
    if (!/no-store|no-cache/.test(answer.headers['cache-control'] ?? '')) wrong.push('may be cached');
    if (answer.status >= 400 && INSIDES.test(answer.text))
      wrong.push(`shows insides: ${answer.text.slice(0, 200)}`);
    if (answer.status >= 400 && answer.json === undefined && answer.text !== '')
      wrong.push('no outcome in JSON');
    this.check(name, wrong.length === 0, wrong.join('; '));
  }

  check(name: string, right: boolean, why = 'not as it must be'): void {
    this.inputs.push({ name, wrong: right ? undefined : why });
  }

  get right(): number {
    return this.inputs.filter(({ wrong }) => wrong === undefined).length;
  }
}
