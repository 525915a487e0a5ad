import { createHash } from 'node:crypto';
import { Fault, isFault } from '../core/fault.js';
import { uuidV5 } from '../core/ids.js';
import type { Resource } from '../core/resource.js';

/** Largest original that is kept, in bytes. */
export const MAX_ORIGINAL_BYTES = 64 * 1024 * 1024;
const ORIGINAL_NAMESPACE = '5f4c2f0e-3b39-4c1d-9d0a-7f5f5c8f2a61';

/** A file as it came. */
export interface Original {
  readonly bytes: Buffer;
  readonly contentType: string;
}

/** R4 Attachment, as far as we write it. */
export interface Attachment {
  readonly contentType: string;
  readonly data?: string;
  readonly url?: string;
  readonly size?: number;
  readonly hash?: string;
  readonly title?: string;
}

/** Words inline: what is annotated and searched. */
export function textAttachment(text: string): Attachment {
  return { contentType: 'text/plain; charset=utf-8', data: Buffer.from(text, 'utf8').toString('base64') };
}

/**
 * The Binary that keeps an original, and the attachment that points to it. The id follows from the document's, so a
 * new version of the document brings a new version of the same Binary. Who may read the document may read its original
 * (`securityContext`). `hash` is SHA-1, as R4 asks of Attachment.hash.
 * @throws Fault `too-large` beyond MAX_ORIGINAL_BYTES
 */
export function keptOriginal(
  documentId: string,
  { bytes, contentType }: Original,
  ordinal = 0,
): { binary: Resource; attachment: Attachment } {
  if (bytes.length > MAX_ORIGINAL_BYTES) {
    throw new Fault('too-large', `The document is larger than ${MAX_ORIGINAL_BYTES} bytes.`);
  }
  const id = uuidV5(ORIGINAL_NAMESPACE, `${documentId} ${ordinal}`);
  return {
    binary: {
      resourceType: 'Binary',
      id,
      contentType,
      securityContext: { reference: `DocumentReference/${documentId}` },
      data: bytes.toString('base64'),
    },
    attachment: {
      contentType,
      url: `Binary/${id}`,
      size: bytes.length,
      hash: createHash('sha1').update(bytes).digest('base64'),
    },
  };
}

/**
 * A document that keeps its original: the words first, where there are any, then the original.
 * @returns the document and the Binary
 */
export function withOriginal(document: Resource, text: string, original: Original): Resource[] {
  const { binary, attachment } = keptOriginal(document.id!, original);
  const words = text.trim() === '' ? [] : [{ attachment: textAttachment(text) }];
  return [{ ...document, content: [...words, { attachment }] }, binary];
}

interface Content {
  readonly attachment?: {
    readonly contentType?: string;
    readonly data?: string;
    readonly [element: string]: unknown;
  };
}

/**
 * A document whose files stand inline, as messages bring them: each file that is not plain text becomes a Binary, and
 * the words of the first that can be read come first, where there is no plain text yet. A file that cannot be read is
 * kept all the same.
 * @returns the document and its Binaries
 */
export async function withFilesKept(
  document: Resource,
  extract: (bytes: Buffer, contentType: string) => Promise<{ readonly text: string } | undefined>,
): Promise<Resource[]> {
  const contents = (document.content as readonly Content[] | undefined) ?? [];
  const isFile = ({ attachment }: Content) =>
    typeof attachment?.data === 'string' && !/^text\/plain\b/.test(attachment.contentType ?? 'text/plain');
  if (!contents.some(isFile)) return [document];
  let words: string | undefined;
  const hasWords = contents.some(({ attachment }) => /^text\/plain\b/.test(attachment?.contentType ?? ''));
  const binaries: Resource[] = [];
  const kept: unknown[] = [];
  for (const content of contents) {
    if (!isFile(content)) {
      kept.push(content);
      continue;
    }
    const { data, contentType = 'application/octet-stream', ...rest } = content.attachment!;
    const original = { bytes: Buffer.from(data!, 'base64'), contentType };
    if (!hasWords && !words) {
      try {
        words = (await extract(original.bytes, contentType))?.text.trim();
      } catch (error) {
        if (!isFault(error)) throw error;
      }
    }
    const { binary, attachment } = keptOriginal(document.id!, original, binaries.length);
    binaries.push(binary);
    kept.push({ ...content, attachment: { ...rest, ...attachment } });
  }
  return [
    { ...document, content: [...(words ? [{ attachment: textAttachment(words) }] : []), ...kept] },
    ...binaries,
  ];
}
