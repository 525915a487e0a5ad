import type { JSX } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { session } from '../api.js';
import { Failure, Show } from '../load.js';
import { Confirm } from '../ui/confirm.js';
import { countText, percentText, whenText } from '../ui/format.js';
import { commonFolder } from '../ui/paths.js';
import { usePoll } from '../ui/poll.js';
import { Scroll } from '../ui/scroll.js';
import { Gauge, progressText, shareOf } from './figures.js';
import { Bar, paceText, Stale, State } from './jobs.js';
import {
  canResume,
  isLive,
  type JobDetail,
  type JobError,
  kindText,
  type Report,
  resumeJob,
  showJob,
  stopJob,
} from './jobs-api.js';
import { ProfileView } from './profile.js';

/** Between questions while it runs, in ms. */
const LIVE_MS = 3_000;

export function JobPage({ id }: { readonly id: string }): JSX.Element {
  const gauge = useRef(new Gauge()).current;
  const { loaded, stale, refresh } = usePoll(
    id,
    async (signal) => {
      const job = await showJob(id, signal);
      gauge.see([job]);
      return job;
    },
    (job) => (isLive(job) ? LIVE_MS : undefined),
  );
  return (
    <section class="jobs">
      <p>
        <a href="#/jobs">All jobs</a>
      </p>
      {stale && <Stale why={stale} again={refresh} />}
      <Show of={loaded}>{(job) => <Detail job={job} gauge={gauge} refresh={refresh} />}</Show>
    </section>
  );
}

interface DetailProps {
  readonly job: JobDetail;
  readonly gauge: Gauge;
  readonly refresh: () => void;
}

function Detail({ job, gauge, refresh }: DetailProps): JSX.Element {
  const share = shareOf(job);
  return (
    <>
      <header class="job-head">
        <h1>{kindText(job.kind)}</h1>
        <State job={job} />
        <Actions job={job} refresh={refresh} />
      </header>
      {isLive(job) && <Bar job={job} />}
      <p role="status">
        {[isLive(job) && share !== undefined && percentText(share), progressText(job), paceText(job, gauge)]
          .filter(Boolean)
          .join(' · ')}
      </p>
      {job.error && <Failure message={job.error} />}
      <dl class="particulars">
        <dt>Job</dt>
        <dd>
          <code>{job.id}</code>
        </dd>
        <dt>Created</dt>
        <dd>{whenText(job.created)}</dd>
        {job.started && (
          <>
            <dt>Started</dt>
            <dd>{whenText(job.started)}</dd>
          </>
        )}
        {job.ended && (
          <>
            <dt>Ended</dt>
            <dd>{whenText(job.ended)}</dd>
          </>
        )}
      </dl>
      {job.errors && <Errors errors={job.errors} all={job.progress.rejected} />}
      {job.report && <Counts report={job.report} />}
      {job.profile && <ProfileView profile={job.profile} findings={job.findings ?? []} />}
    </>
  );
}

function Actions({ job, refresh }: Omit<DetailProps, 'gauge'>): JSX.Element | null {
  const [stopping, setStopping] = useState(false);
  const [problem, setProblem] = useState<string>();
  const resume = async () => {
    setProblem(undefined);
    try {
      await resumeJob(job.id);
      refresh();
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <>
      {isLive(job) && (
        <button type="button" onClick={() => setStopping(true)}>
          Stop
        </button>
      )}
      {canResume(job) && (
        <button type="button" onClick={resume}>
          Go on
        </button>
      )}
      {job.kind === 'import' && (job.state === 'failed' || job.state === 'cancelled') && (
        <span class="quiet">
          Goes on with <code>{`cenote job resume ${job.id} --tenant ${session().tenant}`}</code>
        </span>
      )}
      {problem && <Failure message={problem} />}
      {stopping && (
        <Confirm
          title="Stop this job?"
          verb="Stop it"
          act={() => stopJob(job.id)}
          onClose={(done) => {
            setStopping(false);
            if (done) refresh();
          }}
        >
          <p>
            What it has done stays. {job.kind === 'export' ? 'An export begins anew.' : 'It can go on later.'}
          </p>
        </Confirm>
      )}
    </>
  );
}

function Errors({
  errors,
  all,
}: {
  readonly errors: readonly JobError[];
  readonly all: number | undefined;
}): JSX.Element {
  const more = (all ?? 0) - errors.length;
  const folder = commonFolder(errors.map(({ file }) => file));
  return (
    <section aria-labelledby="job-errors">
      <h2 id="job-errors">Refused</h2>
      {folder && (
        <p class="quiet path">
          In <code>{folder}</code>
        </p>
      )}
      {more > 0 && (
        <p class="quiet">
          The first {countText(errors.length)} of {countText(all!)}; the error file of the import has them
          all.
        </p>
      )}
      <Scroll label="What was refused">
        <table>
          <thead>
            <tr>
              <th scope="col">File</th>
              <th scope="col" class="number">
                Line
              </th>
              <th scope="col">Place</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {errors.map((e, i) => (
              <tr key={i}>
                <td class="path">{e.file.slice(folder.length)}</td>
                <td class="number">{e.line ?? ''}</td>
                <td>
                  <code>{e.element ?? ''}</code>
                </td>
                <td>{e.message}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}

/** At most this many files are listed. */
const MAX_FILES = 100;

function Counts({ report }: { readonly report: Report }): JSX.Element {
  const { resources, files = [], derived } = report;
  const types = Object.entries(resources?.byType ?? {}).sort((a, b) => b[1] - a[1]);
  const folder = commonFolder(files.map(({ path }) => path));
  const facts = Object.entries(derived?.byType ?? {}).sort((a, b) => b[1] - a[1]);
  return (
    <section>
      <h2>What came in</h2>
      {resources && (
        <p>
          {(['created', 'updated', 'unchanged', 'deleted', 'rejected'] as const)
            .filter((k) => resources[k] > 0 || k === 'created')
            .map((k) => `${countText(resources[k])} ${k === 'rejected' ? 'refused' : k}`)
            .join(', ')}
        </p>
      )}
      <div class="table-grid">
        {types.length > 0 && <CountTable caption="Resources" rows={types} />}
        {facts.length > 0 && <CountTable caption="Facts read out of notes" rows={facts} />}
        {files.length > 0 && (
          <CountTable
            caption={`Files${folder && ` in ${folder}`}${files.length > MAX_FILES ? `, the first ${MAX_FILES} of ${files.length}` : ''}`}
            rows={files.slice(0, MAX_FILES).map(({ path, resources: n }) => [path.slice(folder.length), n])}
          />
        )}
      </div>
    </section>
  );
}

function CountTable({
  caption,
  rows,
}: {
  readonly caption: string;
  readonly rows: readonly (readonly [string, number])[];
}): JSX.Element {
  return (
    <table class="counts">
      <caption>{caption}</caption>
      <tbody>
        {rows.map(([name, n]) => (
          <tr key={name}>
            <th scope="row" class="path">
              {name}
            </th>
            <td class="number">{countText(n)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
