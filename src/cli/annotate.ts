import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import type { Command } from 'commander';
import type { Annotation, DocumentContext } from '../../nlp/model.js';
import { readConfig } from '../config.js';
import { Fault } from '../core/fault.js';
import { decodeText } from '../ingest/extractor.js';
import { siteLexicon } from '../tasks/site-lexicon.js';
import { htmlOf } from './annotate-html.js';
import { textOf } from './annotate-text.js';
import { EXIT } from './report.js';

const FORMATS = ['json', 'jsonl', 'text', 'html'] as const;
type Format = (typeof FORMATS)[number];

interface AnnotateOptions {
  readonly jsonl?: boolean;
  readonly format?: Format;
  readonly explain?: boolean;
  readonly phi?: boolean;
  readonly redact?: boolean;
  readonly date?: string;
  readonly dataDir?: string;
}

export function register(program: Command): void {
  program
    .command('annotate [files...]')
    .description('say what notes mean: sections, drugs, diagnoses and procedures with what is said of them')
    .option(
      '--jsonl',
      'the input is one {"id","text"} per line ("date" and "type" may be there); each is answered at once',
    )
    .option(
      '--format <format>',
      `${FORMATS.join(', ')} (default: text on a terminal, else json; jsonl with --jsonl)`,
    )
    .option('--explain', 'add which rule, lexicon row or model decided each step')
    .option('--phi', 'add personal data: names, dates, numbers, telephones, addresses')
    .option('--redact', 'with --phi: print the text with [NAME], [DATE] … in place of personal data')
    .option('--data-dir <path>', 'folder whose loaded terminology is used, where there is one')
    .option('--date <date>', 'date of the notes, for words such as "yesterday"')
    .addHelpText('after', HELP_AFTER)
    .action(async (files: string[], options: AnnotateOptions) => {
      process.exitCode = await annotate(files, options);
    });
}

const HELP_AFTER = `
Reads the files, or standard input where none or "-" is given; needs no database and keeps nothing.
Offsets are UTF-16 code units, half-open. What was refused stays in the answer with its reason.

  echo "Tom is not prescribed Advil." | cenote annotate --format text
  cenote annotate note.txt --format html > note.html
  cenote annotate note.txt --phi --redact > deidentified.txt
  cenote annotate notes.jsonl.gz --jsonl --explain > annotations.jsonl`;

const DATE = /^\d{4}(?:-\d{2}(?:-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?)?)?$/;

interface Shown {
  readonly text: string;
  readonly annotation: Annotation;
}

async function annotate(files: readonly string[], options: AnnotateOptions): Promise<number> {
  const format = options.format ?? (options.jsonl ? 'jsonl' : process.stdout.isTTY ? 'text' : 'json');
  if (!FORMATS.includes(format)) {
    throw new Fault('invalid', 'There is no such format.', {
      at: '--format',
      remedy: `There are: ${FORMATS.join(', ')}.`,
    });
  }
  if (options.date !== undefined && !DATE.test(options.date)) {
    throw new Fault('invalid', '--date is no date.', { at: '--date', remedy: 'Example: 2024-05-31' });
  }
  if (options.redact && !options.phi) {
    throw new Fault('invalid', '--redact needs --phi.', { at: '--redact', remedy: 'Give both.' });
  }
  if (options.redact && options.format !== undefined) {
    throw new Fault('invalid', '--redact prints text and knows no format.', {
      at: '--format',
      remedy: 'Leave --format away; with --jsonl the answer is {"id","text"} lines.',
    });
  }
  const { findPhi, redact } = await import('../../nlp/6-phi/index.js');
  if (options.redact) return redactAll(files, options.jsonl === true, (text) => redact(text, findPhi(text)));
  // Loaded here, so that the help does not wait for the rules.
  const { createClinicalPipeline } = await import('../../nlp/index.js');
  const lexicon = siteLexicon(readConfig({ dataDir: options.dataDir }).dataDir);
  const pipeline = createClinicalPipeline({ lexicon });
  const read = (text: string, context: DocumentContext): Shown => {
    const found = pipeline.annotate(text, context);
    const annotation = options.phi
      ? {
          ...found,
          mentions: [...found.mentions, ...findPhi(text)].sort((a, b) => a.start - b.start || b.end - a.end),
        }
      : found;
    return { text, annotation: options.explain ? annotation : withoutReasons(annotation) };
  };
  const sources = files.length > 0 ? files : ['-'];
  const all: Shown[] = [];
  let status: number = EXIT.ok;
  for (const source of sources) {
    if (!options.jsonl) {
      const text = await textFrom(source);
      all.push(read(text, { id: source === '-' ? 'stdin' : basename(source), date: options.date }));
      continue;
    }
    let number = 0;
    for await (const line of linesFrom(source)) {
      number++;
      if (line.trim() === '') continue;
      const note = parseNote(line);
      if (!note) {
        status = EXIT.foundWrong;
        const error = 'not a JSON object with a "text" that is a string';
        if (format === 'jsonl') await write(`${JSON.stringify({ line: number, error })}\n`);
        else process.stderr.write(`cenote: line ${number}: ${error}\n`);
        continue;
      }
      const shown = read(note.text, {
        id: note.id ?? `${number}`,
        date: note.date ?? options.date,
        type: note.type,
      });
      if (format === 'jsonl') await write(`${JSON.stringify(shown.annotation)}\n`);
      else if (format === 'text') await write(`${textOf(shown.text, shown.annotation, paint())}\n`);
      else all.push(shown);
    }
  }
  await writeAll(all, format, options.jsonl === true);
  return status;
}

async function redactAll(
  files: readonly string[],
  many: boolean,
  redacted: (text: string) => string,
): Promise<number> {
  let status: number = EXIT.ok;
  for (const source of files.length > 0 ? files : ['-']) {
    if (!many) {
      await write(redacted(await textFrom(source)));
      continue;
    }
    let number = 0;
    for await (const line of linesFrom(source)) {
      number++;
      if (line.trim() === '') continue;
      const note = parseNote(line);
      if (!note) status = EXIT.foundWrong;
      await write(
        note
          ? `${JSON.stringify({ id: note.id ?? `${number}`, text: redacted(note.text) })}\n`
          : `${JSON.stringify({ line: number, error: 'not a JSON object with a "text" that is a string' })}\n`,
      );
    }
  }
  return status;
}

async function writeAll(all: readonly Shown[], format: Format, many: boolean): Promise<void> {
  if (format === 'html') return write(htmlOf(all));
  if (format === 'json') {
    const annotations = all.map(({ annotation }) => annotation);
    return write(
      `${JSON.stringify(annotations.length === 1 && !many ? annotations[0] : annotations, null, 1)}\n`,
    );
  }
  for (const { text, annotation } of all) {
    await write(
      format === 'text' ? `${textOf(text, annotation, paint())}\n` : `${JSON.stringify(annotation)}\n`,
    );
  }
}

const paint = (): boolean => process.stdout.isTTY === true && process.stdout.hasColors();

/** Waits where the reader is slower than we are. */
function write(text: string): Promise<void> {
  if (process.stdout.write(text)) return Promise.resolve();
  return new Promise((resume) => process.stdout.once('drain', resume));
}

function withoutReasons(annotation: Annotation): Annotation {
  return {
    ...annotation,
    mentions: annotation.mentions.map(({ because: _, section: __, ...mention }) => mention),
  };
}

function parseNote(line: string): { id?: string; text: string; date?: string; type?: string } | undefined {
  try {
    const value = JSON.parse(line) as Record<string, unknown> | null;
    if (value === null || typeof value !== 'object' || typeof value.text !== 'string') return undefined;
    const word = (name: string) =>
      typeof value[name] === 'string' || typeof value[name] === 'number' ? String(value[name]) : undefined;
    return { id: word('id'), text: value.text, date: word('date'), type: word('type') };
  } catch {
    return undefined;
  }
}

async function textFrom(source: string): Promise<string> {
  if (source === '-') return readAll(process.stdin);
  try {
    const bytes = await readFile(source);
    return decodeText(source.endsWith('.gz') ? gunzipSync(bytes) : bytes);
  } catch (error) {
    throw unreadable(error);
  }
}

async function* linesFrom(source: string): AsyncGenerator<string> {
  if (source.endsWith('.gz')) {
    yield* (await textFrom(source)).split('\n');
    return;
  }
  const input = source === '-' ? process.stdin : createReadStream(source);
  try {
    yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(error: unknown): Fault {
  const code = (error as NodeJS.ErrnoException).code;
  return new Fault('not-found', `A file could not be read${code ? ` (${code})` : ''}.`, {
    remedy: 'Check the path and its permissions.',
    cause: error,
  });
}
