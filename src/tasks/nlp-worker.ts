import { parentPort, workerData } from 'node:worker_threads';
import { createClinicalPipeline, sharedWeights } from '../../nlp/index.js';
import type { Answer, FromWorker, Handed, ToWorker, WorkerSettings } from './nlp-pool.js';
import { withoutReasons } from './without-reasons.js';

// The thread in which notes are read. It answers in order, so that the pool can tell which one is taking too long.
// Results travel as JSON: cheaper to clone than thousands of small objects.
const port = parentPort;
if (!port) throw new Error('nlp-worker runs as a worker thread only');
const { lexicon, weights: given, number, progress } = workerData as WorkerSettings;
const send = (message: FromWorker) => port.postMessage(message);
const weights = given ?? sharedWeights(lexicon);
if (!given) send({ weights });
const pipeline = createClinicalPipeline({ lexicon, weights, thread: number });

/** Answers are kept together for this long, in ms: each message wakes the pool's thread. */
const ANSWERS_WAIT_MS = 20;

port.on('message', (batch: ToWorker) => {
  let answers: Answer[] = [];
  let since = performance.now();
  for (const note of batch) {
    answers.push(answerTo(note));
    Atomics.add(progress, 0, 1);
    if (performance.now() - since < ANSWERS_WAIT_MS) continue;
    send({ answers });
    answers = [];
    since = performance.now();
  }
  if (answers.length > 0) send({ answers });
});

function answerTo({ text, context, reasons }: Handed): Answer {
  try {
    const annotation = pipeline.annotate(text, context);
    return { json: JSON.stringify(reasons ? annotation : withoutReasons(annotation)) };
  } catch (error) {
    // Only where in our code it happened: a message might quote the note.
    const stack = error instanceof Error ? (error.stack ?? '') : '';
    return {
      failed: `${error instanceof Error ? error.name : 'error'} ${stack.split('\n')[1]?.trim() ?? ''}`,
    };
  }
}

// Lexicon, weights and codes are read at their first use; a thread that calls itself ready has them.
const FIRST_NOTE = [
  'HPI: No chest pain. History of type 2 diabetes mellitus since 2014; mother with breast cancer.',
  'MEDICATIONS:\n- lisinopril 10 mg po daily\n- albuterol 2 puffs every 4 hours as needed',
  'ALLERGIES: penicillin (rash)\nLABS: creatinine 1.2 mg/dL, BP 120/80',
  'PLAN: colonoscopy in 3 weeks. Influenza vaccine given today.',
].join('\n');
pipeline.annotate(FIRST_NOTE, { id: 'first', date: '2024-01-31' });
send({ ready: pipeline.version });
