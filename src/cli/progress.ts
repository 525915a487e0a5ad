import cliProgress from 'cli-progress';

/** A bar on stderr where that is a terminal; elsewhere a line now and then, so that logs show that it lives. */
export interface Progress {
  /** `done` of `total` in whatever unit the total has; `text` says the counts. */
  update(done: number, total: number, text: string): void;
  stop(): void;
}

/** Without a terminal a line at most this often, in ms. */
const LINE_EVERY_MS = 5_000;

export function progress(label: string, quiet = false): Progress {
  if (quiet) return { update: () => undefined, stop: () => undefined };
  if (!process.stderr.isTTY) {
    let last = Date.now();
    return {
      update(done, total, text) {
        if (Date.now() - last < LINE_EVERY_MS) return;
        last = Date.now();
        process.stderr.write(`${label} ${Math.floor((done / Math.max(total, 1)) * 100)}% ${text}\n`);
      },
      stop: () => undefined,
    };
  }
  const bar = new cliProgress.SingleBar({
    format: `${label} {bar} {percentage}% {text} {left}`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 24,
    fps: 8,
  });
  const started = Date.now();
  let running = false;
  return {
    update(done, total, text) {
      if (!running) {
        bar.start(Math.max(total, 1), 0, { text: '', left: '' });
        running = true;
      }
      bar.setTotal(Math.max(total, 1));
      bar.update(Math.min(done, Math.max(total, 1)), {
        text,
        left: timeLeft(done, total, Date.now() - started),
      });
    },
    stop() {
      if (running) bar.stop();
      running = false;
    },
  };
}

function timeLeft(done: number, total: number, elapsedMs: number): string {
  if (done <= 0 || elapsedMs < 1_000) return '';
  const seconds = Math.max(0, Math.round(((total - done) / done) * (elapsedMs / 1000)));
  return seconds >= 90 ? `${Math.ceil(seconds / 60)} min left` : `${seconds} s left`;
}

/** `1,234/s` of a count over a time. */
export function rate(count: number, elapsedMs: number): string {
  return `${Math.round(count / Math.max(elapsedMs / 1000, 0.001)).toLocaleString('en-US')}/s`;
}
