import { spawn } from 'node:child_process';

/** The system user a server program runs as; undefined where we are not root and it runs as ourselves. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

export interface RunResult {
  /** Exit status; null when a signal ended it or it could not be started. */
  readonly code: number | null;
  /** The last `MAX_OUTPUT_CHARS` of stdout and stderr together. */
  readonly output: string;
}

const MAX_OUTPUT_CHARS = 16_384;

/**
 * Runs a program to its end with a bare environment, so that neither LANG, PG* nor LD_* variables of the
 * caller change what it does. `cwd` must be a folder that `user` may enter.
 */
export function run(
  program: string,
  args: readonly string[],
  options: { user?: RunAs | undefined; cwd: string; timeoutMs: number },
): Promise<RunResult> {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        LC_ALL: 'C',
        HOME: options.cwd,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: options.timeoutMs,
      // Its own session: Ctrl-C in our terminal must not reach a server that other commands share.
      detached: true,
      ...(options.user ?? {}),
    });
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-MAX_OUTPUT_CHARS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: null, output: `${output}${error.message}` }));
    child.on('close', (code) => resolve({ code, output }));
  });
}
