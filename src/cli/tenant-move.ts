import type { Command } from 'commander';
import { Fault } from '../core/fault.js';
import type { MoveStep } from '../tenancy/move.js';
import { type Progress, progress } from './progress.js';
import { print, type SharedOptions, withDataDir, withSystem } from './shell.js';

interface MoveOptions extends SharedOptions {
  to?: string;
  revert?: true;
}

/** What is said of a step when it is done; the others are said by their bars. */
const SAID: Partial<Record<MoveStep, string>> = {
  prepared: 'An empty database is at the new place.',
  fenced: 'Writes are refused from now on (503, Retry-After); reads go on.',
  copied: 'Every row is copied.',
  compared: 'Rows and digests of every table are the same at both places.',
  switching: 'Reads wait for a moment.',
};

/** `tenant move` and `tenant drop-old`. */
export function registerMove(tenant: Command): void {
  withDataDir(tenant.command('move <name>'))
    .description('move a tenant\u2019s database, sealed as it is, to another PostgreSQL server')
    .option('--to <place>', 'a name from the file of CENOTE_PLACES_FILE, or home: the server of DATABASE_URL')
    .option('--revert', 'end what a move that was killed has left: the tenant works where it is')
    .addHelpText(
      'after',
      `
The keys stay as they are, and nothing is opened on the way. While the database is copied and compared, reads go on and
writes are answered 503 with Retry-After; how long is printed in the end. Running servers follow by themselves; they all
need the same file of places. A job of the tenant that runs must end before; others wait.

Until the last step the tenant is where it was, whatever fails. Killed, it can be read and not written: run the command
again, or with --revert. The old database stays, closed to all but the administrator, until: cenote tenant drop-old NAME`,
    )
    .action((name: string, options: MoveOptions) => {
      const { to, revert } = options;
      if ((to === undefined) === (revert === undefined))
        throw new Fault('invalid', 'tenant move takes either --to PLACE or --revert; nothing was done.', {
          at: '--to',
        });
      return withSystem(options, async ({ tenants }, signal) => {
        if (to === undefined) {
          await tenants.revertMove(name);
          print('The tenant works at the place where it was.');
          return;
        }
        const bar = oneBar();
        try {
          const moved = await tenants.move(name, {
            to,
            signal,
            onProgress: ({ doing, done, total }) => bar(doing).update(done, total, ''),
            onStep: (step) => {
              bar();
              const said = SAID[step];
              if (said) process.stderr.write(`${said}\n`);
            },
          });
          const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
          print(`moved    ${moved.from} to ${moved.to}`);
          if (moved.rows >= 0n)
            print(`rows     ${moved.rows}, the same at both places (${(moved.bytes / 1e6).toFixed(1)} MB)`);
          print(`writes   refused for ${seconds(moved.writesRefusedMs)}`);
          print(`reads    held for ${seconds(moved.readsHeldMs)}`);
          print(`The old database stays, closed; to remove it: cenote tenant drop-old ${name}`);
        } finally {
          bar();
        }
      });
    });

  withDataDir(tenant.command('drop-old <name>'))
    .description('drop the databases that moves of a tenant have left at former places')
    .action((name: string, options: SharedOptions) =>
      withSystem(options, async ({ tenants }) => print(`dropped  ${await tenants.dropFormer(name)}`)),
    );
}

/** One bar after the other; called without a name it ends the last. */
function oneBar(): (doing?: string) => Progress {
  let now: { doing: string | undefined; bar: Progress } | undefined;
  return (doing) => {
    if (!now || now.doing !== doing) {
      now?.bar.stop();
      now = { doing, bar: progress(doing ?? '', doing === undefined) };
    }
    return now.bar;
  };
}
