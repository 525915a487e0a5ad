import { createHash } from 'node:crypto';
import { AwsV4Signer } from 'aws4fetch';
import { Fault } from '../core/fault.js';
import { type BlobStore, type BlobWriter, checkBlobName } from './blob-store.js';

/** An S3-compatible store: where it is, and how to sign. */
export interface S3Place {
  /** Such as https://s3.eu-central-1.amazonaws.com; buckets stand in its paths. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Prefix of every name, without slashes at its ends; may be empty. */
  readonly prefix: string;
  /** Asked for each request: temporary ones are renewed behind it. */
  readonly credentials: () => Promise<{
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string | undefined;
  }>;
}

/** S3 takes parts of at least 5 MiB, and 10,000 of them: later ones are bigger, so that a blob may have 300 GiB. */
const FIRST_PART_BYTES = 5 * 1024 * 1024;
const LATER_PART_BYTES = 32 * 1024 * 1024;
const FIRST_PARTS = 100;
const ATTEMPTS = 5;
const FIRST_WAIT_MS = 200;
const TIMEOUT_MS = 120_000;
/** An answer that is not a blob is a few lines of XML. */
const MAX_ANSWER_CHARS = 1024 * 1024;

/**
 * Blobs in an S3-compatible store. A blob of several parts appears when all are there; one that its program died over
 * leaves parts that the bucket's rule for unfinished uploads should remove.
 */
export function s3Store(place: S3Place): BlobStore {
  const client = new S3(place);
  return {
    place: `s3://${place.bucket}${place.prefix === '' ? '' : `/${place.prefix}`}`,
    async create(name) {
      return new S3Writer(client, checkBlobName(name));
    },
    async get(name) {
      const answer = await client.call('GET', checkBlobName(name), '', undefined, [404]);
      return answer.status === 404 ? undefined : Buffer.from(await answer.arrayBuffer());
    },
    async put(name, bytes) {
      await client.call('PUT', checkBlobName(name), '', bytes);
    },
    async *read(name) {
      const answer = await client.call('GET', checkBlobName(name), '', undefined, [404]);
      if (answer.status === 404 || !answer.body)
        throw new Fault('not-found', 'There is no such file of the export.');
      yield* answer.body as unknown as AsyncIterable<Uint8Array>;
    },
    async isEmpty() {
      const prefix = place.prefix === '' ? '' : `&prefix=${encodeURIComponent(`${place.prefix}/`)}`;
      const answer = await client.call('GET', undefined, `?list-type=2&max-keys=1${prefix}`);
      return !(await answer.text()).slice(0, MAX_ANSWER_CHARS).includes('<Contents>');
    },
    async remove(name) {
      await client.call('DELETE', checkBlobName(name), '', undefined, [404]);
    },
  };
}

class S3 {
  constructor(private readonly place: S3Place) {}

  /** One signed request, asked again where the store is busy or the network failed. @throws Fault `unavailable`, `forbidden` */
  async call(
    method: string,
    name: string | undefined,
    query: string,
    body?: Uint8Array,
    also: readonly number[] = [],
  ): Promise<Response> {
    const { endpoint, bucket, prefix, region } = this.place;
    const key = name === undefined ? '' : `/${prefix === '' ? '' : `${prefix}/`}${name}`;
    const url = `${endpoint.replace(/\/$/, '')}/${bucket}${key}${query}`;
    let last: unknown;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (attempt > 0) await new Promise((wake) => setTimeout(wake, FIRST_WAIT_MS * 2 ** attempt));
      try {
        const { accessKeyId, secretAccessKey, sessionToken } = await this.place.credentials();
        const signed = await new AwsV4Signer({
          method,
          url,
          accessKeyId,
          secretAccessKey,
          ...(sessionToken ? { sessionToken } : {}),
          region,
          service: 's3',
          ...(body
            ? {
                body: body as Uint8Array<ArrayBuffer>,
                // Signed with the rest: what arrives changed is refused, on a way without TLS too.
                headers: { 'x-amz-content-sha256': createHash('sha256').update(body).digest('hex') },
              }
            : {}),
        }).sign();
        const answer = await fetch(signed.url, {
          method,
          headers: signed.headers,
          ...(body ? { body: body as Uint8Array<ArrayBuffer> } : {}),
          redirect: 'error',
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        if (answer.ok || also.includes(answer.status)) return answer;
        await answer.body?.cancel();
        last = answer.status;
        if (answer.status === 403 || answer.status === 401) break;
        if (answer.status < 500 && answer.status !== 429) break;
      } catch (error) {
        if (error instanceof Fault) throw error;
        last = error;
      }
    }
    throw refused(last);
  }
}

function refused(last: unknown): Fault {
  if (last === 401 || last === 403)
    return new Fault('forbidden', 'The object store refuses the export.', {
      at: '--out',
      remedy: 'Check the credentials and their right to read, write, list and delete under the prefix.',
      log: `status ${last}`,
    });
  return new Fault('unavailable', 'The object store cannot be used.', {
    at: '--out',
    remedy: 'Check the bucket, the endpoint and the region, and ask again: the export goes on where it was.',
    log: typeof last === 'number' ? `status ${last}` : String((last as Error)?.name),
    cause: last,
  });
}

/** Gathers parts; a blob smaller than one is put at once. */
class S3Writer implements BlobWriter {
  private held: Uint8Array[] = [];
  private size = 0;
  private upload: string | undefined;
  private readonly etags: string[] = [];
  private over = false;

  constructor(
    private readonly s3: S3,
    private readonly name: string,
  ) {}

  async write(chunk: Uint8Array): Promise<void> {
    this.held.push(chunk);
    this.size += chunk.length;
    if (this.size >= (this.etags.length < FIRST_PARTS ? FIRST_PART_BYTES : LATER_PART_BYTES))
      await this.part();
  }

  async finish(): Promise<void> {
    if (this.upload === undefined) {
      await this.s3.call('PUT', this.name, '', Buffer.concat(this.held));
    } else {
      if (this.size > 0) await this.part();
      const list = this.etags
        .map((etag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${etag}</ETag></Part>`)
        .join('');
      const answer = await this.s3.call(
        'POST',
        this.name,
        `?uploadId=${encodeURIComponent(this.upload)}`,
        Buffer.from(`<CompleteMultipartUpload>${list}</CompleteMultipartUpload>`),
      );
      // The store may answer 200 and tell in the body that it failed after all.
      if ((await answer.text()).slice(0, MAX_ANSWER_CHARS).includes('<Error>')) throw refused('incomplete');
    }
    this.over = true;
  }

  async abandon(): Promise<void> {
    if (this.over || this.upload === undefined) return;
    this.over = true;
    await this.s3
      .call('DELETE', this.name, `?uploadId=${encodeURIComponent(this.upload)}`, undefined, [404])
      .catch(() => undefined);
  }

  private async part(): Promise<void> {
    if (this.upload === undefined) {
      const text = await (await this.s3.call('POST', this.name, '?uploads=')).text();
      this.upload = /<UploadId>([^<]+)<\/UploadId>/.exec(text.slice(0, MAX_ANSWER_CHARS))?.[1];
      if (this.upload === undefined) throw refused('no upload');
    }
    const bytes = Buffer.concat(this.held);
    this.held = [];
    this.size = 0;
    const answer = await this.s3.call(
      'PUT',
      this.name,
      `?partNumber=${this.etags.length + 1}&uploadId=${encodeURIComponent(this.upload)}`,
      bytes,
    );
    this.etags.push(answer.headers.get('etag') ?? '');
  }
}
