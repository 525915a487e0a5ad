import { parentPort } from 'node:worker_threads';
import { getDocumentProxy } from 'unpdf';
import type { PdfAnswer, PdfQuestion } from './pdf.js';

interface Item {
  readonly str?: string;
  readonly hasEOL?: boolean;
  readonly transform?: readonly number[];
  readonly height?: number;
}

/** A gap between lines of more than this many heights of the letters is an empty line. */
const PARAGRAPH_GAP = 1.7;

parentPort!.on('message', async ({ bytes, maxPages, maxLength }: PdfQuestion) => {
  parentPort!.postMessage(await textOf(bytes, maxPages, maxLength));
});

async function textOf(bytes: Uint8Array, maxPages: number, maxLength: number): Promise<PdfAnswer> {
  let document: Awaited<ReturnType<typeof getDocumentProxy>> | undefined;
  try {
    document = await getDocumentProxy(bytes, { isEvalSupported: false, stopAtErrors: false, verbosity: 0 });
    if (document.numPages > maxPages) return { failed: 'pages' };
    const pages: string[] = [];
    let length = 0;
    for (let number = 1; number <= document.numPages; number++) {
      const page = await document.getPage(number);
      const text = pageText((await page.getTextContent()).items as Item[]);
      page.cleanup();
      pages.push(text);
      length += text.length;
      if (length > maxLength) return { failed: 'length' };
    }
    return { pages };
  } catch (error) {
    return { failed: (error as Error)?.name === 'PasswordException' ? 'password' : 'damaged' };
  } finally {
    await document?.destroy().catch(() => undefined);
  }
}

function pageText(items: readonly Item[]): string {
  let out = '';
  let lastY: number | undefined;
  let lineStart = true;
  for (const { str = '', hasEOL, transform, height } of items) {
    const y = transform?.[5];
    if (lineStart && str !== '' && y !== undefined) {
      const size = height || Math.abs(transform?.[3] ?? 0);
      if (lastY !== undefined && size > 0 && Math.abs(lastY - y) > size * PARAGRAPH_GAP) out += '\n';
      lastY = y;
    }
    out += str;
    if (str !== '') lineStart = false;
    if (hasEOL) {
      out += '\n';
      lineStart = true;
    }
  }
  return out
    .replaceAll('\0', ' ')
    .replace(/[ \t]+\n/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}
