import { readFileSync } from 'node:fs';

/**
 * Whether a crash of this process would leave its memory in a file: records and keys are in it, and Node wipes no heap. Linux
 * tells; elsewhere it is not known, and undefined.
 * @param limits content of `/proc/self/limits`
 */
export function coreDumpsOn(limits = readLimits()): boolean | undefined {
  const soft = limits === undefined ? undefined : /^Max core file size\s+(\S+)/m.exec(limits)?.[1];
  return soft === undefined ? undefined : soft !== '0';
}

function readLimits(): string | undefined {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    return undefined;
  }
}
