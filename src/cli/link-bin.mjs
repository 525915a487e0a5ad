// Runs after the compiler: makes the command executable and puts it where `npx cenote` looks first in a checkout.
// Without it npx installs the checkout into its cache on each call, which takes seconds and needs the network.
import { chmodSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';

const root = new URL('../../', import.meta.url);
const command = new URL('dist/src/cli/main.js', root);
chmodSync(command, 0o755);
const modules = new URL('node_modules/', root);
if (existsSync(modules) && process.platform !== 'win32') {
  const folder = new URL('.bin/', modules);
  const link = new URL('cenote', folder);
  mkdirSync(folder, { recursive: true });
  rmSync(link, { force: true });
  symlinkSync('../../dist/src/cli/main.js', link);
}
