import { resolve } from 'node:path';
import { Fault } from './core/fault.js';

/** One row of the table of settings; the README prints it. */
export interface Setting {
  readonly name: string;
  readonly example: string;
  readonly default: string;
  readonly meaning: string;
}

/** Everything that can be set from the environment. Options of a command win over these. */
export const SETTINGS = [
  {
    name: 'CENOTE_DATA_DIR',
    example: '/srv/cenote',
    default: '.cenote',
    meaning: 'Folder of keys, token secret and the embedded PostgreSQL. Also --data-dir.',
  },
  {
    name: 'CENOTE_HOST',
    example: '0.0.0.0',
    default: '127.0.0.1',
    meaning: 'Address the API listens on. With --dev only a loopback address is accepted.',
  },
  { name: 'CENOTE_PORT', example: '9090', default: '8080', meaning: 'Port of the API. Also --port.' },
  {
    name: 'CENOTE_BASE_URL',
    example: 'https://lake.example.org',
    default: 'http://<host>:<port>',
    meaning: 'How clients reach the API, where a proxy stands before it; links in answers start with it.',
  },
  {
    name: 'DATABASE_URL',
    example: 'postgres://cenote:secret@db.example.org:5432/cenote?sslmode=verify-full',
    default: 'the embedded PostgreSQL',
    meaning:
      'PostgreSQL 15 to 18 of your own. The database named becomes the control database; its user must be allowed to create databases and roles.',
  },
  {
    name: 'CENOTE_KEY_DIR',
    example: '/etc/cenote/keys',
    default: '<data dir>/keys',
    meaning: 'Folder of the tenants\u2019 key files, mode 0600. Back it up apart from the database.',
  },
  {
    name: 'CENOTE_TOKEN_SECRET_FILE',
    example: '/etc/cenote/token.secret',
    default: '<data dir>/token.secret',
    meaning:
      'File with the secret that signs and checks local access tokens; made at the first use, mode 0600.',
  },
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]['name'];

/** The settings as the program uses them. Paths are absolute. */
export interface Config {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  /** Undefined for the embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  readonly keyDir: string;
  readonly tokenSecretFile: string;
}

/** What a command's options say; undefined where they say nothing. */
export interface ConfigOptions {
  readonly dataDir?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: string | number | undefined;
}

/** Options first, then the environment, then the defaults. @throws Fault `invalid` naming the setting. */
export function readConfig(options: ConfigOptions = {}, env: NodeJS.ProcessEnv = process.env): Config {
  const read = (name: SettingName): string | undefined => env[name]?.trim() || undefined;
  const dataDir = resolve(options.dataDir ?? read('CENOTE_DATA_DIR') ?? '.cenote');
  const host = options.host ?? read('CENOTE_HOST') ?? '127.0.0.1';
  const port = portOf(
    options.port ?? read('CENOTE_PORT') ?? 8080,
    options.port === undefined ? 'CENOTE_PORT' : '--port',
  );
  const shownHost = host.includes(':') ? `[${host}]` : host;
  return {
    dataDir,
    host,
    port,
    baseUrl: urlOf(read('CENOTE_BASE_URL') ?? `http://${shownHost}:${port}`, 'CENOTE_BASE_URL', [
      'http:',
      'https:',
    ]),
    databaseUrl: databaseUrlOf(read('DATABASE_URL')),
    keyDir: resolve(read('CENOTE_KEY_DIR') ?? `${dataDir}/keys`),
    tokenSecretFile: resolve(read('CENOTE_TOKEN_SECRET_FILE') ?? `${dataDir}/token.secret`),
  };
}

function portOf(value: string | number, name: string): number {
  const port = typeof value === 'number' ? value : /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Fault('invalid', `${name} is not a port from 0 to 65535.`, { at: name });
  return port;
}

function databaseUrlOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  urlOf(value, 'DATABASE_URL', ['postgres:', 'postgresql:']);
  return value;
}

/** The message never repeats the value: it may hold a password. */
function urlOf(value: string, name: string, schemes: readonly string[]): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (!url || !schemes.includes(url.protocol))
    throw new Fault(
      'invalid',
      `${name} is not a URL that starts with ${schemes.map((s) => `${s}//`).join(' or ')}.`,
      {
        at: name,
      },
    );
  return value.replace(/\/+$/, '');
}
