import { describe, expect, it } from 'vitest';
import { decodeText } from '../../src/ingest/charset.js';
import { DOCX } from '../../src/ingest/docx.js';
import { extractText } from '../../src/ingest/extractors.js';
import { bufferAccess, readEntry, zipEntries } from '../../src/ingest/zip.js';
import { docxOf, pdfOf, zipOf } from './made-files.js';

const textOf = async (document: string | Buffer, type: string) =>
  (await extractText(Buffer.from(document as string), type))!.text;

describe('HTML', () => {
  it.each([
    ['<p>Takes <b>metformin</b> daily.</p><p>Denies pain.</p>', 'Takes metformin daily.\n\nDenies pain.'],
    [
      '<table><tr><td>Glucose</td><td>110</td></tr><tr><td>K</td><td>4.1</td></tr></table>',
      'Glucose\t110\nK\t4.1',
    ],
    ['<script>alert(1)</script><style>p{}</style><p>Cough</p>', 'Cough'],
    ['<head><title>x</title></head><body>a<br>b<br><br>c</body>', 'a\nb\n\nc'],
    ['<ul><li>aspirin</li><li>statin</li></ul>', '- aspirin\n- statin'],
    ['A1c &gt; 9&nbsp;% &amp; rising', 'A1c > 9 % & rising'],
    ['<pre>BP   120\n     80</pre>', 'BP   120\n     80'],
    ['<p>unclosed <b>tags <i>everywhere', 'unclosed tags everywhere'],
    ['', ''],
  ])('%j reads %j', async (html, text) => {
    expect(await textOf(html, 'text/html')).toBe(text);
  });

  it('is decoded by the character set it names', async () => {
    const bytes = Buffer.concat([
      Buffer.from('<meta charset="windows-1251"><p>'),
      Buffer.from([0xea, 0xe0, 0xf8, 0xe5, 0xeb, 0xfc]),
    ]);
    expect(await textOf(bytes, 'text/html')).toBe('кашель');
  });

  it('refuses a tower of elements', async () => {
    await expect(textOf('<b>'.repeat(100_000), 'text/html')).rejects.toThrow(/nested deeper/);
  });
});

describe('RTF', () => {
  it.each([
    [
      '{\\rtf1\\ansi\\ansicpg1252 Takes {\\b metformin} daily.\\par Denies pain.}',
      'Takes metformin daily.\nDenies pain.',
    ],
    ['{\\rtf1{\\fonttbl{\\f0 Arial;}}{\\info{\\author X}}{\\*\\generator Y;}Cough}', 'Cough'],
    ["{\\rtf1\\ansi\\ansicpg1252 f\\'fcr \\u8805?3}", 'für ≥3'],
    ["{\\rtf1\\ansi\\ansicpg932 \\'8a\\'50}", '咳'],
    ['{\\rtf1 \\trowd Glucose\\cell 110\\cell\\row K\\cell 4.1\\cell\\row}', 'Glucose\t110\nK\t4.1'],
    ['{\\rtf1 a\\{b\\}c\\~d{\\v hidden}}', 'a{b}c d'],
    ['{\\rtf1 x{\\pict\\bin4 {{{{}y}', 'xy'],
    ['{\\rtf1 cut off', 'cut off'],
  ])('%j reads %j', async (rtf, text) => {
    expect(await textOf(Buffer.from(rtf, 'latin1'), 'application/rtf')).toBe(text);
  });

  it('refuses a tower of groups, and what is no RTF', async () => {
    await expect(textOf(`{\\rtf1 ${'{'.repeat(50_000)}`, 'text/rtf')).rejects.toThrow(/nested deeper/);
    await expect(textOf('Hello', 'text/rtf')).rejects.toThrow(/no RTF/);
  });

  it('reads a megabyte of hostile control words in linear time', async () => {
    const started = performance.now();
    await textOf(`{\\rtf1 ${"\\'".repeat(200_000)}${'\\u1'.repeat(200_000)}`, 'text/rtf');
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('Word', () => {
  const run = (text: string) => `<w:r><w:t xml:space="preserve">${text}</w:t></w:r>`;
  it('reads paragraphs, tables and tabs, without deleted words, field codes and fallbacks', async () => {
    const body =
      `<w:p>${run('Takes ')}${run('metformin &amp; aspirin')}</w:p>` +
      `<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:r><w:instrText>PAGE</w:instrText></w:r>${run('Denies pain.')}</w:p>` +
      `<w:p><mc:AlternateContent><mc:Choice>${run('once')}</mc:Choice><mc:Fallback>${run('once')}</mc:Fallback></mc:AlternateContent></w:p>` +
      `<w:tbl><w:tr><w:tc><w:p>${run('K')}</w:p></w:tc><w:tc><w:p>${run('4.1')}</w:p></w:tc></w:tr></w:tbl>`;
    expect(await textOf(docxOf(body), DOCX)).toBe('Takes metformin & aspirin\nDenies pain.\nonce\nK\t4.1');
  });

  it.each([
    ['a zip without a body', zipOf({ 'a.txt': 'x' }), /no body/],
    ['no zip', Buffer.from('PK nothing'), /damaged/],
    ['a body that is cut off', zipOf({ 'word/document.xml': '<w:document><w:p>' }), /well-formed/],
    [
      'a body with entities',
      zipOf({ 'word/document.xml': '<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>' }),
      /document type/,
    ],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(textOf(bytes, DOCX)).rejects.toThrow(message);
  });
});

describe('PDF', () => {
  it('reads its pages and knows which page a word is on', async () => {
    const pdf = pdfOf([['Takes metformin daily.', 'Denies (chest) pain.'], ['Follow up in May.']]);
    const { text, toOriginal } = (await extractText(pdf, 'application/pdf'))!;
    expect(text).toBe('Takes metformin daily.\nDenies (chest) pain.\n\nFollow up in May.');
    expect([toOriginal(0), toOriginal(text.indexOf('Denies')), toOriginal(text.indexOf('May'))]).toEqual([
      1, 1, 2,
    ]);
  });

  it.each([
    ['nothing', '', /no PDF/],
    ['only a head', '%PDF-1.7\n', /damaged/],
    ['noise', `%PDF-1.4\n${'obj<<[('.repeat(2_000)}`, /damaged/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(textOf(bytes, 'application/pdf')).rejects.toThrow(message);
  });

  it('still reads the next one', async () => {
    expect(await textOf(pdfOf([['Cough']]), 'application/pdf')).toBe('Cough');
  });
});

describe('offsets', () => {
  it.each([
    ['text/html', '<html><body><p>Takes  <b>metformin</b>\n 500&nbsp;mg &amp; rests</p></body></html>'],
    ['application/rtf', '{\\rtf1\\ansi{\\fonttbl x;} Takes {\\b metformin} 500\\~mg\\par and rests}'],
  ])('of words in %s lead back to the same words in the original', async (type, original) => {
    const { text, toOriginal } = (await extractText(Buffer.from(original), type))!;
    for (const word of ['Takes', 'metformin', '500', 'rests']) {
      const at = toOriginal(text.indexOf(word));
      expect(original.slice(at, at + word.length)).toBe(word);
    }
  });
});

describe('character sets', () => {
  const russian = 'Пациент жалуется на кашель и боль в груди в течение трёх дней.';
  it.each([
    ['windows-1251', Buffer.from([...russian].map((c) => cp1251(c))), russian],
    ['UTF-16 without a mark', Buffer.from('Denies chest pain.', 'utf16le'), 'Denies chest pain.'],
    [
      'windows-1252',
      Buffer.from('Patient l\u00e4uft, \u00fcbel seit 3 Tagen', 'latin1'),
      'Patient läuft, übel seit 3 Tagen',
    ],
    [
      'Shift_JIS',
      Buffer.from('8ab38ed282cd8a5082c694ad944d82f091698a8482c48f9082f08ea682b582bd', 'hex'),
      undefined,
    ],
  ])('%s is told from the bytes', (_, bytes, text) => {
    const read = decodeText(bytes);
    if (text === undefined) expect(read).toMatch(/^患者は咳と発熱/);
    else expect(read).toBe(text);
  });

  function cp1251(c: string): number {
    const code = c.codePointAt(0)!;
    if (code === 0x451) return 0xb8;
    return code >= 0x410 && code <= 0x44f ? code - 0x350 : code;
  }
});

describe('zip archives', () => {
  it('are read file by file, packed or stored', async () => {
    for (const stored of [false, true]) {
      const zip = bufferAccess(zipOf({ 'a/b.txt': 'one', 'c.txt': 'two'.repeat(1000) }, stored));
      const entries = await zipEntries(zip);
      expect(entries.map((e) => e.name)).toEqual(['a/b.txt', 'c.txt']);
      expect((await readEntry(zip, entries[1]!, 10_000)).toString()).toBe('two'.repeat(1000));
    }
  });

  it.each(['../evil.txt', 'a/../../evil.txt', '/etc/evil', 'C:\\evil.txt', '..\\evil.txt'])(
    'that hold %j are refused',
    async (name) => {
      await expect(zipEntries(bufferAccess(zipOf({ [name]: 'x' })))).rejects.toThrow(/leads out/);
    },
  );

  it('that say less than they hold are refused', async () => {
    const bytes = zipOf({ 'a.txt': 'x'.repeat(100_000) });
    const directory = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    bytes.writeUInt32LE(10, directory + 24);
    const zip = bufferAccess(bytes);
    const [entry] = await zipEntries(zip);
    await expect(readEntry(zip, entry!, 1_000_000)).rejects.toThrow(/damaged/);
  });

  it('whose files overlap are refused', async () => {
    const bytes = zipOf({ 'a.txt': 'x'.repeat(1000), 'b.txt': 'y' });
    const directory = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    bytes.writeUInt32LE(0, directory + 42);
    await expect(zipEntries(bufferAccess(bytes))).rejects.toThrow(/overlap/);
  });
});
