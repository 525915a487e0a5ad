import { isFault } from '../core/fault.js';
import type { Resource, StoredResource } from '../core/resource.js';
import { extractText } from '../ingest/extractors.js';
import type { Store } from '../store/contract.js';
import type { Tenant } from '../tenancy/tenant.js';

interface Attachment {
  contentType?: string;
  data?: string;
  url?: string;
}

const BINARY = /^(?:.*\/)?Binary\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;

/**
 * The text of a DocumentReference: of its first content that can be read (several are renditions of the same words),
 * inline or in a Binary of this tenant. Undefined where there is none. Nothing is ever fetched from elsewhere.
 */
export async function documentText(
  store: Store,
  tenant: Tenant,
  document: Resource,
): Promise<string | undefined> {
  const contents = Array.isArray(document.content) ? (document.content as { attachment?: Attachment }[]) : [];
  for (const { attachment } of contents) {
    if (!attachment) continue;
    const found = await bytesOf(store, tenant, attachment);
    if (!found) continue;
    try {
      const extracted = await extractText(found.bytes, found.contentType);
      if (extracted && extracted.text.trim() !== '') return extracted.text;
    } catch (error) {
      if (!isFault(error)) throw error;
    }
  }
  return undefined;
}

async function bytesOf(
  store: Store,
  tenant: Tenant,
  attachment: Attachment,
): Promise<{ bytes: Buffer; contentType: string } | undefined> {
  if (typeof attachment.data === 'string') {
    return {
      bytes: Buffer.from(attachment.data, 'base64'),
      contentType: attachment.contentType ?? 'text/plain',
    };
  }
  const id = typeof attachment.url === 'string' ? BINARY.exec(attachment.url)?.[1] : undefined;
  if (!id) return undefined;
  const binary: StoredResource | undefined = (await store.read(tenant, 'Binary', id))?.resource;
  if (typeof binary?.data !== 'string') return undefined;
  const contentType =
    attachment.contentType ?? (typeof binary.contentType === 'string' ? binary.contentType : 'text/plain');
  return { bytes: Buffer.from(binary.data, 'base64'), contentType };
}
