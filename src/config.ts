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
    name: 'CENOTE_TLS_CERT',
    example: '/etc/cenote/tls.crt',
    default: 'none',
    meaning:
      'Certificate with its chain, PEM: clients are spoken to by TLS 1.2 or later. Without it, or CENOTE_TLS_PROXY, only a loopback address is listened on.',
  },
  {
    name: 'CENOTE_TLS_KEY',
    example: '/etc/cenote/tls.key',
    default: 'none',
    meaning: 'Private key of the certificate, PEM, mode 0600.',
  },
  {
    name: 'CENOTE_TLS_PROXY',
    example: 'yes',
    default: 'no',
    meaning:
      'yes: a proxy that speaks TLS to clients is the only way here, so that plain HTTP may be listened for on any address.',
  },
  {
    name: 'CENOTE_TENANT_RATE',
    example: '200',
    default: '1000',
    meaning:
      'Requests per second of each tenant, twice as many at once after a pause; more are told to wait (429). Not in development mode.',
  },
  {
    name: 'CENOTE_VALIDATION',
    example: 'structure',
    default: 'strict',
    meaning:
      'How strictly what is written is checked where neither the request (X-Cenote-Validation, import --validation) nor its tenant says: strict, structure or minimal.',
  },
  {
    name: 'CENOTE_CORS_ORIGINS',
    example: 'https://app.example.org,https://viewer.example.org',
    default: 'none',
    meaning: 'Origins whose browser apps may call the API, separated by commas. There is no wildcard.',
  },
  {
    name: 'CENOTE_CONDITIONAL_DELETE',
    example: 'multiple',
    default: 'single',
    meaning: 'Whether a conditional delete may remove several resources: single or multiple.',
  },
  {
    name: 'CENOTE_IMPORT_ORIGINS',
    example: 'https://exports.example.org,https://bucket.s3.eu-central-1.amazonaws.com',
    default: 'none',
    meaning:
      'Origins, separated by commas, that $import may fetch files from: https, at public addresses only.',
  },
  {
    name: 'CENOTE_IMPORT_PRIVATE_ORIGINS',
    example: 'http://store.hospital.internal:9000',
    default: 'none',
    meaning: 'The same for origins on a private network; these may speak plain HTTP.',
  },
  {
    name: 'CENOTE_IMPORT_STORES',
    example: 's3://incoming=/srv/incoming,s3://results=/srv/results',
    default: 'none',
    meaning:
      'Addresses that $import and StartFHIRImportJob may name, each with the folder of this machine that stands for it.',
  },
  {
    name: 'DATABASE_URL',
    example: 'postgres://cenote:secret@db.example.org:5432/cenote?sslmode=verify-full',
    default: 'the embedded PostgreSQL',
    meaning:
      'PostgreSQL 15 to 18 of your own. The database named becomes the control database; its user must be allowed to create databases and roles.',
  },
  {
    name: 'CENOTE_DATABASE_PLAIN',
    example: 'yes',
    default: 'no',
    meaning:
      'yes: DATABASE_URL may name another machine without TLS (sslmode=verify-full), as nobody else reads the network between.',
  },
  {
    name: 'CENOTE_PLACES_FILE',
    example: '/etc/cenote/places.json',
    default: 'none',
    meaning:
      'File, mode 0600, that names other PostgreSQL servers tenants may be moved to, the same for all servers: {"east": "postgres://…"}.',
  },
  {
    name: 'CENOTE_KEY_DIR',
    example: '/etc/cenote/keys',
    default: '<data dir>/keys',
    meaning: 'Folder of the tenants\u2019 key files, mode 0600. Back it up apart from the database.',
  },
  {
    name: 'CENOTE_AUDIT_DURABLE',
    example: 'yes',
    default: 'no',
    meaning:
      'yes: an answer waits until the disk holds the audit entry of what it gives out. no: the entry is in the database first, but if the database\u2019s machine fails, entries of reads of the last half second may be lost; those of writes never are.',
  },
  {
    name: 'CENOTE_AUDIT_ANCHORS',
    example: '/mnt/append-only/cenote',
    default: '<data dir>/audit-anchors',
    meaning:
      'Folder that the ends of the audit chains are written to, every few minutes, outside the database. Best on storage that can only be appended to.',
  },
  {
    name: 'CENOTE_KEY_PROVIDER',
    example: 'vault',
    default: 'file',
    meaning: 'Where the tenants\u2019 own keys are: file, vault, aws-kms or pkcs11.',
  },
  {
    name: 'CENOTE_VAULT_ADDR',
    example: 'https://vault.example.org:8200',
    default: 'none',
    meaning: 'vault: address of HashiCorp Vault or OpenBao.',
  },
  {
    name: 'CENOTE_VAULT_TOKEN_FILE',
    example: '/run/vault/token',
    default: 'none',
    meaning: 'vault: file with the token, mode 0600; read anew for each call.',
  },
  {
    name: 'CENOTE_VAULT_MOUNT',
    example: 'hospital/transit',
    default: 'transit',
    meaning: 'vault: where the transit engine is mounted.',
  },
  { name: 'CENOTE_VAULT_NAMESPACE', example: 'hospital', default: 'none', meaning: 'vault: namespace.' },
  {
    name: 'CENOTE_KMS_REGION',
    example: 'eu-central-1',
    default: 'AWS_REGION',
    meaning:
      'aws-kms: region. Credentials come as AWS\u2019s own tools take them: AWS_* variables, web identity, container, instance.',
  },
  {
    name: 'CENOTE_KMS_ENDPOINT',
    example: 'https://vpce-1-kms.eu-central-1.vpce.amazonaws.com',
    default: 'the region\u2019s own',
    meaning: 'aws-kms: endpoint of a private network.',
  },
  {
    name: 'CENOTE_PKCS11_MODULE',
    example: '/usr/lib/softhsm/libsofthsm2.so',
    default: 'none',
    meaning: 'pkcs11: the vendor\u2019s library. Takes the package pkcs11js 2, installed beside Cenote.',
  },
  { name: 'CENOTE_PKCS11_TOKEN', example: 'lake', default: 'none', meaning: 'pkcs11: label of the token.' },
  {
    name: 'CENOTE_PKCS11_PIN_FILE',
    example: '/etc/cenote/pin',
    default: 'none',
    meaning: 'pkcs11: file with the user\u2019s PIN, mode 0600.',
  },
  {
    name: 'CENOTE_S3_ENDPOINT',
    example: 'https://minio.example.org:9000',
    default: 'the region\u2019s own',
    meaning:
      'export --out s3://bucket/prefix: the S3-compatible store; the bucket stands in its paths. Credentials as for aws-kms.',
  },
  {
    name: 'CENOTE_S3_REGION',
    example: 'eu-central-1',
    default: 'AWS_REGION',
    meaning: 'export --out s3://\u2026: region of the store, us-east-1 where nothing says.',
  },
  {
    name: 'CENOTE_TOKEN_SECRET_FILE',
    example: '/etc/cenote/token.secret',
    default: '<data dir>/token.secret',
    meaning:
      'File with the secret that signs and checks local access tokens; made at the first use, mode 0600.',
  },
  {
    name: 'CENOTE_ID_TOKEN_KEYS',
    example: '/etc/cenote/id-token-keys.json',
    default: '<data dir>/id-token-keys.json',
    meaning:
      'JWKS of private RSA keys that sign identity tokens, the same for all servers: the first signs, all are published. Made at the first use, mode 0600.',
  },
  {
    name: 'CENOTE_CONTROL_AUDIT_KEY',
    example: '/etc/cenote/control-audit.key',
    default: '<data dir>/control-audit.key',
    meaning:
      'File with the key of the audit chain of administration, the same for all servers; made at the first use, mode 0600.',
  },
  {
    name: 'CENOTE_JWKS_ORIGINS',
    example: 'https://keys.hospital.internal',
    default: 'none',
    meaning:
      'Origins, separated by commas, whose key sets of clients are fetched though they stand on a private network or speak plain HTTP.',
  },
  {
    name: 'CENOTE_OIDC_FILE',
    example: '/etc/cenote/oidc.json',
    default: 'none',
    meaning:
      'File that lists outside OpenID providers whose access tokens count: issuer, audience, keys, tenants, claims and the most they permit.',
  },
] as const satisfies readonly Setting[];

export type SettingName = (typeof SETTINGS)[number]['name'];

/** Which key provider, with what it needs. */
export type KeyProviderSettings =
  | { readonly kind: 'file'; readonly folder: string }
  | {
      readonly kind: 'vault';
      readonly address: string;
      readonly tokenFile: string;
      readonly mount: string;
      readonly namespace: string | undefined;
    }
  | {
      readonly kind: 'aws-kms';
      readonly region: string;
      readonly endpoint: string | undefined;
      readonly environment: AwsEnvironment;
    }
  | { readonly kind: 'pkcs11'; readonly module: string; readonly token: string; readonly pinFile: string };

/** What the environment says of AWS, by the names that all of AWS's own tools use. */
export interface AwsEnvironment {
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
  /** EKS, IAM roles for service accounts. */
  readonly webIdentityTokenFile?: string;
  readonly roleArn?: string;
  /** ECS and EKS pod identity. */
  readonly containerCredentialsUri?: string;
  readonly containerAuthorizationToken?: string;
  readonly containerAuthorizationTokenFile?: string;
  /** EC2 instance metadata; undefined turns it off. */
  readonly metadataEndpoint?: string;
}

/** The settings as the program uses them. Paths are absolute. */
export interface Config {
  readonly dataDir: string;
  readonly host: string;
  readonly port: number;
  /** Without a slash at its end. */
  readonly baseUrl: string;
  /** Files in PEM; undefined for plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly behindTlsProxy: boolean;
  /** Requests per second. */
  readonly tenantRate: number;
  readonly validation: 'strict' | 'structure' | 'minimal';
  readonly corsOrigins: readonly string[];
  readonly conditionalDelete: 'single' | 'multiple';
  /** What imports through the API may read. */
  readonly imports: {
    readonly origins: readonly string[];
    readonly privateOrigins: readonly string[];
    readonly stores: readonly { readonly prefix: string; readonly folder: string }[];
  };
  /** Undefined for the embedded PostgreSQL. */
  readonly databaseUrl: string | undefined;
  readonly databasePlain: boolean;
  /** Names other PostgreSQL servers; undefined for none. */
  readonly placesFile: string | undefined;
  readonly keyDir: string;
  readonly auditDurable: boolean;
  readonly anchorDir: string;
  readonly keyProvider: KeyProviderSettings;
  readonly tokenSecretFile: string;
  readonly idTokenKeyFile: string;
  readonly controlAuditKeyFile: string;
  /** The S3-compatible store that exports may go to. */
  readonly s3: {
    readonly endpoint: string | undefined;
    readonly region: string;
    readonly environment: AwsEnvironment;
  };
  readonly jwksOrigins: readonly string[];
  readonly oidcFile: string | undefined;
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
  const keyDir = resolve(read('CENOTE_KEY_DIR') ?? `${dataDir}/keys`);
  const host = options.host ?? read('CENOTE_HOST') ?? '127.0.0.1';
  const port = portOf(
    options.port ?? read('CENOTE_PORT') ?? 8080,
    options.port === undefined ? 'CENOTE_PORT' : '--port',
  );
  const tls = tlsOf(read);
  const shownHost = host.includes(':') ? `[${host}]` : host;
  return {
    dataDir,
    host,
    port,
    baseUrl: urlOf(
      read('CENOTE_BASE_URL') ?? `${tls ? 'https' : 'http'}://${shownHost}:${port}`,
      'CENOTE_BASE_URL',
      ['http:', 'https:'],
    ),
    tls,
    behindTlsProxy: yesOrNo('CENOTE_TLS_PROXY', read('CENOTE_TLS_PROXY') ?? 'no'),
    tenantRate: rateOf(read('CENOTE_TENANT_RATE') ?? '1000'),
    validation: oneOf(read('CENOTE_VALIDATION') ?? 'strict', 'CENOTE_VALIDATION', [
      'strict',
      'structure',
      'minimal',
    ] as const),
    corsOrigins: originsOf(read('CENOTE_CORS_ORIGINS'), 'CENOTE_CORS_ORIGINS'),
    conditionalDelete: oneOf(read('CENOTE_CONDITIONAL_DELETE') ?? 'single', 'CENOTE_CONDITIONAL_DELETE', [
      'single',
      'multiple',
    ] as const),
    imports: {
      origins: originsOf(read('CENOTE_IMPORT_ORIGINS'), 'CENOTE_IMPORT_ORIGINS'),
      privateOrigins: originsOf(read('CENOTE_IMPORT_PRIVATE_ORIGINS'), 'CENOTE_IMPORT_PRIVATE_ORIGINS'),
      stores: storesOf(read('CENOTE_IMPORT_STORES')),
    },
    databaseUrl: databaseUrlOf(read('DATABASE_URL')),
    databasePlain: yesOrNo('CENOTE_DATABASE_PLAIN', read('CENOTE_DATABASE_PLAIN') ?? 'no'),
    placesFile: pathOf(read('CENOTE_PLACES_FILE')),
    keyDir,
    auditDurable: yesOrNo('CENOTE_AUDIT_DURABLE', read('CENOTE_AUDIT_DURABLE') ?? 'no'),
    anchorDir: resolve(read('CENOTE_AUDIT_ANCHORS') ?? `${dataDir}/audit-anchors`),
    keyProvider: keyProviderOf(read, env, keyDir),
    tokenSecretFile: resolve(read('CENOTE_TOKEN_SECRET_FILE') ?? `${dataDir}/token.secret`),
    idTokenKeyFile: resolve(read('CENOTE_ID_TOKEN_KEYS') ?? `${dataDir}/id-token-keys.json`),
    controlAuditKeyFile: resolve(read('CENOTE_CONTROL_AUDIT_KEY') ?? `${dataDir}/control-audit.key`),
    s3: {
      endpoint: read('CENOTE_S3_ENDPOINT'),
      region: read('CENOTE_S3_REGION') ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? 'us-east-1',
      environment: awsEnvironmentOf(env),
    },
    jwksOrigins: originsOf(read('CENOTE_JWKS_ORIGINS'), 'CENOTE_JWKS_ORIGINS'),
    oidcFile: pathOf(read('CENOTE_OIDC_FILE')),
  };
}

function storesOf(value: string | undefined): { prefix: string; folder: string }[] {
  return (value ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const match = /^([a-z][a-z0-9]*:\/\/[^=]+?)\/*=(.+)$/.exec(part);
      if (!match)
        throw new Fault('invalid', 'CENOTE_IMPORT_STORES holds what is no address and folder.', {
          at: 'CENOTE_IMPORT_STORES',
          remedy: 'Write each as s3://bucket=/folder.',
        });
      return { prefix: match[1]!, folder: resolve(match[2]!) };
    });
}

type Read = (name: SettingName) => string | undefined;

function tlsOf(read: Read): Config['tls'] {
  const cert = read('CENOTE_TLS_CERT');
  const key = read('CENOTE_TLS_KEY');
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    const missing = cert === undefined ? 'CENOTE_TLS_CERT' : 'CENOTE_TLS_KEY';
    throw new Fault('invalid', `TLS takes a certificate and its key: ${missing} is missing.`, {
      at: missing,
    });
  }
  return { cert: resolve(cert), key: resolve(key) };
}

const MAX_RATE = 1_000_000;

function rateOf(value: string): number {
  const rate = /^\d{1,7}$/.test(value) ? Number(value) : 0;
  if (rate >= 1 && rate <= MAX_RATE) return rate;
  throw new Fault('invalid', `CENOTE_TENANT_RATE is not a number from 1 to ${MAX_RATE}.`, {
    at: 'CENOTE_TENANT_RATE',
  });
}

function yesOrNo(name: SettingName, value: string): boolean {
  if (value === 'yes' || value === 'no') return value === 'yes';
  throw new Fault('invalid', `${name} is neither yes nor no.`, { at: name, remedy: 'Set it to yes or no.' });
}

function keyProviderOf(read: Read, env: NodeJS.ProcessEnv, keyDir: string): KeyProviderSettings {
  const kind = read('CENOTE_KEY_PROVIDER') ?? 'file';
  const need = (name: SettingName): string => {
    const value = read(name);
    if (value === undefined)
      throw new Fault('invalid', `CENOTE_KEY_PROVIDER is ${kind}, which needs ${name}.`, { at: name });
    return value;
  };
  switch (kind) {
    case 'file':
      return { kind, folder: keyDir };
    case 'vault':
      return {
        kind,
        address: need('CENOTE_VAULT_ADDR'),
        tokenFile: resolve(need('CENOTE_VAULT_TOKEN_FILE')),
        mount: read('CENOTE_VAULT_MOUNT') ?? 'transit',
        namespace: read('CENOTE_VAULT_NAMESPACE'),
      };
    case 'aws-kms':
      return {
        kind,
        region:
          read('CENOTE_KMS_REGION') ?? env.AWS_REGION ?? env.AWS_DEFAULT_REGION ?? need('CENOTE_KMS_REGION'),
        endpoint: read('CENOTE_KMS_ENDPOINT'),
        environment: awsEnvironmentOf(env),
      };
    case 'pkcs11':
      return {
        kind,
        module: resolve(need('CENOTE_PKCS11_MODULE')),
        token: need('CENOTE_PKCS11_TOKEN'),
        pinFile: resolve(need('CENOTE_PKCS11_PIN_FILE')),
      };
    default:
      throw new Fault('invalid', 'CENOTE_KEY_PROVIDER is none of file, vault, aws-kms, pkcs11.', {
        at: 'CENOTE_KEY_PROVIDER',
      });
  }
}

/** The variables that every tool of AWS reads, and the fixed addresses of its endpoints. */
function awsEnvironmentOf(env: NodeJS.ProcessEnv): AwsEnvironment {
  const relative = env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
  return {
    accessKeyId: env.AWS_ACCESS_KEY_ID,
    secretAccessKey: env.AWS_SECRET_ACCESS_KEY,
    sessionToken: env.AWS_SESSION_TOKEN,
    webIdentityTokenFile: env.AWS_WEB_IDENTITY_TOKEN_FILE,
    roleArn: env.AWS_ROLE_ARN,
    containerCredentialsUri: relative
      ? `http://169.254.170.2${relative}`
      : env.AWS_CONTAINER_CREDENTIALS_FULL_URI,
    containerAuthorizationToken: env.AWS_CONTAINER_AUTHORIZATION_TOKEN,
    containerAuthorizationTokenFile: env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE,
    metadataEndpoint: env.AWS_EC2_METADATA_DISABLED === 'true' ? undefined : 'http://169.254.169.254',
  };
}

const pathOf = (value: string | undefined): string | undefined =>
  value === undefined ? undefined : resolve(value);

function originsOf(value: string | undefined, name: SettingName): string[] {
  const origins = (value ?? '')
    .split(',')
    .map((origin) => origin.trim())
    .filter((origin) => origin !== '');
  for (const origin of origins) {
    const url = URL.canParse(origin) ? new URL(origin) : undefined;
    if (url?.origin !== origin || url.origin === 'null' || origin.includes('*'))
      throw new Fault('invalid', `${name} holds what is no origin.`, {
        at: name,
        remedy: 'Write each as scheme, host and port alone, such as https://app.example.org.',
      });
  }
  return origins;
}

function oneOf<T extends string>(value: string, name: SettingName, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  if (found === undefined)
    throw new Fault('invalid', `${name} is none of ${allowed.join(', ')}.`, { at: name });
  return found;
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
