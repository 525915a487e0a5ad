import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/**
 * Whether a crash of this process would leave its memory in a file: records and keys are in it, and Node wipes no heap. Linux
 * tells; elsewhere it is not known, and undefined.
 * @param limits content of `/proc/self/limits`
 */
export function coreDumpsOn(limits = readLimits()): boolean | undefined {
  const soft = limits === undefined ? undefined : /^Max core file size\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined ? undefined : soft !== '0' && soft !== NONE;
}

/**
 * One byte: less than any core file has, so that none is written; and the one limit at which Linux does not start the program
 * either that `kernel.core_pattern` may name (core(5): to such programs a limit of 0 does not apply).
 */
const NONE = '1';

/**
 * Turns core files off for this process and all that it starts, an embedded PostgreSQL among them, for good. Node cannot set
 * a limit itself: `prlimit` of util-linux does, where there is one.
 * @returns whether a crash would still leave one; undefined where that is not known
 */
export function turnCoreDumpsOff(): boolean | undefined {
  const limits = readLimits();
  const on = coreDumpsOn(limits);
  if (on === undefined || (!on && !goToAProgram())) return on;
  const own = String(process.pid);
  spawnSync('prlimit', ['--pid', own, `--core=${NONE}:${NONE}`], { stdio: 'ignore', timeout: 5_000 });
  return coreDumpsOn();
}

/** Whether core dumps are handed to a program. */
function goToAProgram(): boolean {
  return readOr('/proc/sys/kernel/core_pattern')?.startsWith('|') === true;
}

const readLimits = () => readOr('/proc/self/limits');

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
