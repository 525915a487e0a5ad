import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { text as readAll } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { type Command, InvalidArgumentError } from 'commander';
import type { Annotation, DocumentContext } from '../../nlp/model.js';
import { readConfig } from '../config.js';
import { Fault } from '../core/fault.js';
import { decodeText } from '../ingest/extractor.js';
import type { NlpPool } from '../tasks/nlp-pool.js';
import { siteLexicon } from '../tasks/site-lexicon.js';
import { withoutReasons } from '../tasks/without-reasons.js';
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
  readonly threads?: number;
}

const THREADS_MAX = 16;
/** Notes of a stream handed to a thread and not printed yet. */
const WAITING_PER_THREAD = 32;

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
    .option('--threads <n>', 'threads that read, worth it for thousands of notes (default: 1)', threadsOption)
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

function threadsOption(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1 || n > THREADS_MAX)
    throw new InvalidArgumentError(`Give a number from 1 to ${THREADS_MAX}.`);
  return n;
}

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
  // Its rules are read only where they are asked for.
  const phi = options.phi ? await import('../../nlp/6-phi/index.js') : undefined;
  if (options.redact && phi) {
    const { findPhi, redact } = phi;
    return redactAll(files, options.jsonl === true, (text) => redact(text, findPhi(text)));
  }
  const reader = await openReader(options);
  const finish = (text: string, found: Annotation): Shown => {
    const annotation = phi
      ? {
          ...found,
          mentions: [...found.mentions, ...phi.findPhi(text)].sort(
            (a, b) => a.start - b.start || b.end - a.end,
          ),
        }
      : found;
    return { text, annotation: options.explain ? annotation : withoutReasons(annotation) };
  };
  const read = async (text: string, context: DocumentContext): Promise<Shown> =>
    finish(text, await reader.annotate(text, context));
  const sources = files.length > 0 ? files : ['-'];
  const all: Shown[] = [];
  const answers = new InOrder(reader.threads * WAITING_PER_THREAD);
  let status: number = EXIT.ok;
  const bad = async (line: number, error: string): Promise<void> => {
    status = EXIT.foundWrong;
    if (format === 'jsonl') await write(`${JSON.stringify({ line, error })}\n`);
    else process.stderr.write(`cenote: line ${line}: ${error}\n`);
  };
  try {
    for (const source of sources) {
      if (!options.jsonl) {
        const text = await textFrom(source);
        all.push(await read(text, { id: source === '-' ? 'stdin' : basename(source), date: options.date }));
        continue;
      }
      let number = 0;
      for await (const line of linesFrom(source)) {
        number++;
        if (line.trim() === '') continue;
        const at = number;
        const note = parseNote(line);
        if (!note) {
          await answers.add(() => bad(at, 'not a JSON object with a "text" that is a string'));
          continue;
        }
        const context = { id: note.id ?? `${at}`, date: note.date ?? options.date, type: note.type };
        // As JSON from end to end where nothing is added to it.
        const plain = format === 'jsonl' && !options.phi ? reader.annotateJson : undefined;
        const reading = (
          plain?.(note.text, context, options.explain === true) ?? read(note.text, context)
        ).catch((error: unknown) => {
          if (error instanceof Fault) return error;
          throw error;
        });
        await answers.add(async () => {
          const shown = await reading;
          if (shown instanceof Fault) await bad(at, shown.message);
          else if (typeof shown === 'string') await write(`${shown}\n`);
          else if (format === 'jsonl') await write(`${JSON.stringify(shown.annotation)}\n`);
          else if (format === 'text') await write(`${textOf(shown.text, shown.annotation, paint())}\n`);
          else all.push(shown);
        });
      }
    }
    await answers.done();
  } finally {
    await reader.close();
  }
  await writeAll(all, format, options.jsonl === true);
  return status;
}

interface Reader {
  readonly threads: number;
  annotate(text: string, context: DocumentContext): Annotation | Promise<Annotation>;
  /** Where it is made in another thread anyway. */
  readonly annotateJson?: NlpPool['annotateJson'];
  close(): Promise<void>;
}

/** This thread or, where more than one is asked for, as many others. Loaded here: the help waits for no rules. */
async function openReader({ dataDir, threads = 1 }: AnnotateOptions): Promise<Reader> {
  const lexicon = siteLexicon(readConfig({ dataDir }).dataDir);
  if (threads > 1) {
    const { createNlpPool } = await import('../tasks/nlp-pool.js');
    return { threads, ...(await createNlpPool({ lexicon, workers: threads })) };
  }
  const { createClinicalPipeline } = await import('../../nlp/index.js');
  const pipeline = createClinicalPipeline({ lexicon });
  return { threads: 1, annotate: (text, context) => pipeline.annotate(text, context), close: async () => {} };
}

/** Prints one answer after the other, each as soon as it is there, while the next ones are being read. */
class InOrder {
  private last: Promise<void> = Promise.resolve();
  private waiting = 0;
  private room: (() => void) | undefined;
  constructor(private readonly limit: number) {}

  /** Returns when there is room for the next. */
  async add(answer: () => Promise<void>): Promise<void> {
    this.waiting++;
    this.last = this.last.then(answer).finally(() => {
      this.waiting--;
      this.room?.();
    });
    // Thrown by `done`.
    this.last.catch(() => undefined);
    while (this.waiting >= this.limit) {
      await new Promise<void>((resolve) => {
        this.room = resolve;
      });
    }
  }

  /** All are printed. @throws what an answer threw; those after it were not printed. */
  done(): Promise<void> {
    return this.last;
  }
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
