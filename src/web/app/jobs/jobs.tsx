import './jobs.css';
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import { Show } from '../load.js';
import { agoText, countText, durationText, whenText } from '../ui/format.js';
import { usePoll } from '../ui/poll.js';
import { Gauge, progressText, shareOf } from './figures.js';
import { JobPage } from './job.js';
import { isLive, type Job, kindText, listJobs } from './jobs-api.js';

/** Between questions while something runs, and while nothing does, in ms. Each leaves a line in the audit log. */
const LIVE_MS = 3_000;
const QUIET_MS = 30_000;

export function JobsPlace({ id }: { readonly id: string | undefined }): JSX.Element {
  return id ? <JobPage key={id} id={id} /> : <Jobs />;
}

function Jobs(): JSX.Element {
  const gauge = useRef(new Gauge()).current;
  const { loaded, stale, refresh } = usePoll(
    'jobs',
    async (signal) => {
      const { jobs } = await listJobs(signal);
      gauge.see(jobs);
      return jobs;
    },
    (jobs) => (jobs.some(isLive) ? LIVE_MS : QUIET_MS),
  );
  return (
    <section class="jobs">
      <h1>Jobs</h1>
      <p class="quiet">Imports, exports, re-indexing and what else runs for long. The newest first.</p>
      {stale && <Stale why={stale} again={refresh} />}
      <Show of={loaded}>
        {(jobs) =>
          jobs.length === 0 ? (
            <Nothing />
          ) : (
            <ul class="rows">
              {jobs.map((job) => (
                <li key={job.id}>
                  <JobRow job={job} gauge={gauge} />
                </li>
              ))}
            </ul>
          )
        }
      </Show>
    </section>
  );
}

export function Stale({ why, again }: { readonly why: string; readonly again: () => void }): JSX.Element {
  return (
    <div class="notice" role="status">
      <span>Not up to date: {why}</span>
      <button type="button" onClick={again}>
        Ask now
      </button>
    </div>
  );
}

function Nothing(): JSX.Element {
  return (
    <div class="nothing">
      <p>
        <strong>No job has run yet.</strong>
      </p>
      <p class="quiet">
        An import begins with <code>cenote import FOLDER --tenant T</code> or <code>POST $import</code>, an
        export with <code>GET $export</code>. Each then appears here.
      </p>
    </div>
  );
}

function JobRow({ job, gauge }: { readonly job: Job; readonly gauge: Gauge }): JSX.Element {
  return (
    <a class="row" href={`#/jobs/${job.id}`}>
      <span class="head">
        <strong>{kindText(job.kind)}</strong> <State job={job} />
        <span class="quiet when" title={whenText(job.created)}>
          {agoText(job.created)} ago
        </span>
      </span>
      {isLive(job) && <Bar job={job} />}
      <span class="quiet">{[progressText(job), paceText(job, gauge)].filter(Boolean).join(' · ')}</span>
      {job.error && <span class="no">{job.error}</span>}
    </a>
  );
}

const STATES: Readonly<Record<Job['state'], string>> = {
  queued: 'waiting',
  running: 'running',
  done: 'done',
  failed: 'failed',
  cancelled: 'stopped',
};

export function State({ job }: { readonly job: Job }): JSX.Element {
  return <span class={`state ${job.state}`}>{STATES[job.state] ?? job.state}</span>;
}

export function Bar({ job }: { readonly job: Job }): JSX.Element {
  const share = shareOf(job);
  const label = `Progress of ${kindText(job.kind)}`;
  return share === undefined ? (
    <progress class="job-bar" aria-label={label} />
  ) : (
    <progress class="job-bar" aria-label={label} max={1} value={share} />
  );
}

/** `1,234 resources/s · 2 min left`, or how long it took. */
export function paceText(job: Job, gauge: Gauge): string {
  const rate = gauge.rate(job);
  const left = gauge.left(job);
  const took =
    job.started && job.ended && (new Date(job.ended).getTime() - new Date(job.started).getTime()) / 1000;
  return [
    rate && `${countText(rate)} resources/s`,
    left !== undefined && `about ${durationText(left)} left`,
    !isLive(job) && took !== undefined && took !== '' && `took ${durationText(took)}`,
  ]
    .filter(Boolean)
    .join(' · ');
}
