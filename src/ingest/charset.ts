import { TextDecoder } from 'node:util';
import chardet from 'chardet';

/** How much of a text its character set is guessed from, in bytes. */
const SAMPLE_BYTES = 64 * 1024;
/** A guess below this (of 100) is worth less than what Western systems mean by "text". */
const MIN_CONFIDENCE = 30;
/** Fewer bytes than this beyond ASCII tell nothing of a language. */
const MIN_HIGH_BYTES = 6;

/** Names other standards use for what the Encoding Standard calls otherwise: HL7 table 0211 and old mail. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  'unicode utf-8': 'utf-8',
  'unicode utf-16': 'utf-16le',
  unicode: 'utf-16le',
  ascii: 'windows-1252',
  'gb 18030-2000': 'gb18030',
  'ks x 1001': 'euc-kr',
  'cns 11643-1992': 'big5',
  'big-5': 'big5',
  'iso ir87': 'shift_jis',
  'iso ir14': 'shift_jis',
  ...Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8, 9, 15].map((n) => [`8859/${n}`, `iso-8859-${n}`])),
};

/** A decoder for a character set by any of its usual names; undefined where it is not known. */
export function decoderFor(charset: string, fatal = false): TextDecoder | undefined {
  const name = charset.trim().toLowerCase();
  try {
    return new TextDecoder(OTHER_NAMES[name] ?? name, { fatal });
  } catch {
    return undefined;
  }
}

/**
 * Decodes bytes: a byte order mark first, then the declared character set where it is known and fits, then UTF-8 where
 * the bytes are valid UTF-8, then a guess from the bytes, and Windows-1252 where the guess is weak.
 */
export function decodeText(bytes: Uint8Array, charset?: string): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  // Nearly every file: valid UTF-8, which nothing but UTF-8 is by chance. A wrong declaration does not matter then.
  if (!charset || /^(utf-?8|us-ascii|unicode utf-8)$/i.test(charset)) {
    const wide = wideWithoutMark(bytes);
    if (wide) return new TextDecoder(wide).decode(bytes);
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      return new TextDecoder(guessCharset(bytes)).decode(bytes);
    }
  }
  const decoder = decoderFor(charset);
  return decoder ? decoder.decode(bytes) : decodeText(bytes);
}

/** UTF-16 without a mark shows as a zero in every other byte. */
function wideWithoutMark(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  const length = Math.min(bytes.length, 1024) & ~1;
  if (length < 4 || bytes.length % 2 === 1) return undefined;
  let even = 0;
  let odd = 0;
  for (let i = 0; i < length; i += 2) {
    if (bytes[i] === 0) even++;
    if (bytes[i + 1] === 0) odd++;
  }
  const half = length / 2;
  if (odd > half * 0.7 && even < half * 0.1) return 'utf-16le';
  if (even > half * 0.7 && odd < half * 0.1) return 'utf-16be';
  return undefined;
}

/** Name, in the Encoding Standard, of the character set the bytes most likely are in; they are not UTF-8. */
export function guessCharset(bytes: Uint8Array): string {
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  let high = 0;
  for (const byte of sample) if (byte >= 0x80) high++;
  if (high < MIN_HIGH_BYTES) return 'windows-1252';
  for (const { name, confidence } of chardet.analyse(sample)) {
    if (confidence < MIN_CONFIDENCE) break;
    if (/^(ASCII|UTF-8|ISO-8859-1)$/i.test(name)) return 'windows-1252';
    const decoder = decoderFor(name, true);
    if (!decoder) continue;
    try {
      decoder.decode(sample, { stream: true });
      return decoder.encoding;
    } catch {
      // The bytes are no text of that set; the next guess.
    }
  }
  return 'windows-1252';
}
