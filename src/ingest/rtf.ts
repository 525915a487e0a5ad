import { Fault, invalid } from '../core/fault.js';
import { decoderFor } from './charset.js';
import { MAX_TEXT_LENGTH, mappedResult, type TextExtractor } from './extractor.js';
import { TextFlow } from './mapped-text.js';

/** Groups open at once; Word writes a few dozen. */
const MAX_DEPTH = 1_000;

/** Destinations that hold no text of the document's body (RTF 1.9.1, "Destinations"). */
const DROPPED = new Set(
  (
    'fonttbl colortbl stylesheet info pict object header footer headerl headerr headerf footerl footerr footerf ' +
    'fldinst xmlnstbl listtable listoverridetable rsidtbl generator themedata colorschememapping datastore latentstyles ' +
    'filetbl revtbl upr nonshppict shpinst bkmkstart bkmkend annotation atnid atnauthor template private'
  ).split(' '),
);
/** Control words that stand for characters. */
const CHARACTERS: Readonly<Record<string, string>> = {
  emdash: '—',
  endash: '–',
  bullet: '•',
  lquote: '‘',
  rquote: '’',
  ldblquote: '“',
  rdblquote: '”',
};

interface Group {
  dropped: boolean;
  hidden: boolean;
  /** Characters after `\u` that a reader of Unicode leaves out. */
  skip: number;
}

/** Rich Text Format: one pass, one byte at a time, offsets in bytes (a byte is a character of RTF itself). */
export const rtfExtractor: TextExtractor = {
  name: 'rtf',
  reads: (type) => type === 'application/rtf' || type === 'text/rtf' || type === 'application/x-rtf',
  async extract(bytes) {
    const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    if (!/^\s*\{\\rtf/.test(source.slice(0, 64))) throw invalid('The document is no RTF.');
    return mappedResult(rtfText(source).mapped);
  },
};

const CONTROL = /\\([a-z]{1,32})(-?\d{1,10})? ?/iy;
const PLAIN = /[^\\{}\r\n]+/y;

function rtfText(source: string): TextFlow {
  const flow = new TextFlow();
  const stack: Group[] = [];
  let group: Group = { dropped: false, hidden: false, skip: 1 };
  let decoder = decoderFor('windows-1252')!;
  let toSkip = 0;
  let escaped: number[] = [];
  let escapedAt = 0;
  const text = (words: string, at: number, span: number) => {
    if (group.dropped || group.hidden || flow.mapped.length > MAX_TEXT_LENGTH) return;
    const kept = toSkip > 0 ? words.slice(Math.min(toSkip, words.length)) : words;
    const left = words.length - kept.length;
    toSkip -= left;
    flow.words(kept.replaceAll('\0', ' '), at + left, span - left);
  };
  // Bytes that are written as escapes are gathered: in Asian code pages two of them make one character.
  const flush = (end: number) => {
    if (escaped.length === 0) return;
    const words = decoder.decode(Uint8Array.from(escaped));
    escaped = [];
    text(words, escapedAt, end - escapedAt);
  };
  let i = 0;
  while (i < source.length) {
    const c = source[i]!;
    if (c === '\\' && source[i + 1] === "'") {
      const byte = Number.parseInt(source.slice(i + 2, i + 4), 16);
      if (toSkip > 0) toSkip--;
      else if (!Number.isNaN(byte)) {
        if (escaped.length === 0) escapedAt = i;
        escaped.push(byte);
      }
      i += 4;
      continue;
    }
    if (c === '\r' || c === '\n') {
      i++;
      continue;
    }
    flush(i);
    if (c === '{') {
      if (stack.length >= MAX_DEPTH) {
        throw new Fault('too-large', `The RTF is nested deeper than ${MAX_DEPTH} groups.`);
      }
      stack.push(group);
      group = { ...group };
      toSkip = 0;
      i++;
    } else if (c === '}') {
      group = stack.pop() ?? group;
      toSkip = 0;
      i++;
      if (stack.length === 0) break;
    } else if (c === '\\') {
      CONTROL.lastIndex = i;
      const control = CONTROL.exec(source);
      if (!control) {
        const symbol = source[i + 1] ?? '';
        if (symbol === '*') group.dropped = true;
        else if (symbol === '~') text(' ', i, 2);
        else if (symbol === '_') text('-', i, 2);
        else if ('\\{}'.includes(symbol) && symbol !== '') text(symbol, i, 2);
        else if (symbol === '\n' || symbol === '\r') flow.hardLine();
        i += 2;
        continue;
      }
      const word = control[1]!;
      const value = control[2] === undefined ? undefined : Number(control[2]);
      const end = i + control[0].length;
      if (word === 'bin') {
        i = end + Math.max(value ?? 0, 0);
        continue;
      }
      if (DROPPED.has(word)) group.dropped = true;
      else if (word === 'ansicpg') decoder = decoderFor(`windows-${value}`) ?? codePage(value) ?? decoder;
      else if (word === 'mac') decoder = decoderFor('macintosh')!;
      else if (word === 'uc') group.skip = Math.min(Math.max(value ?? 1, 0), 16);
      else if (word === 'u' && value !== undefined) {
        toSkip = 0;
        text(String.fromCharCode(value & 0xffff), i, end - i);
        toSkip = group.skip;
      } else if (word === 'v') group.hidden = value !== 0;
      else if (word === 'plain') group.hidden = false;
      else if (!group.dropped) layout(word, flow, i, end, text);
      i = end;
    } else {
      PLAIN.lastIndex = i;
      const words = PLAIN.exec(source)![0];
      text(words, i, words.length);
      i += words.length;
    }
  }
  flush(i);
  return flow;
}

function layout(
  word: string,
  flow: TextFlow,
  at: number,
  end: number,
  text: (words: string, at: number, span: number) => void,
): void {
  if (word === 'par' || word === 'line' || word === 'sect' || word === 'page') flow.hardLine();
  else if (word === 'row') flow.line();
  else if (word === 'cell' || word === 'tab' || word === 'nestcell') flow.cell();
  else if (CHARACTERS[word]) text(CHARACTERS[word], at, end - at);
}

/** Code pages that go by another name than `windows-N`. */
function codePage(number: number | undefined) {
  const names: Readonly<Record<number, string>> = {
    932: 'shift_jis',
    936: 'gbk',
    949: 'euc-kr',
    950: 'big5',
    65001: 'utf-8',
    10000: 'macintosh',
    866: 'ibm866',
  };
  const name = number === undefined ? undefined : names[number];
  return name ? decoderFor(name) : undefined;
}
