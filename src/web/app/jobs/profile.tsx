import type { JSX } from 'preact';
import { countText, durationText, percentText } from '../ui/format.js';
import { commonFolder } from '../ui/paths.js';
import { Scroll } from '../ui/scroll.js';
import type { Finding, Profile, Times } from './jobs-api.js';

/** In the order a record goes through them. */
const PHASES: readonly (readonly [name: string, says: string])[] = [
  ['read', 'reading'],
  ['parse', 'parsing'],
  ['validate', 'checking'],
  ['resolve', 'references'],
  ['index', 'index rows'],
  ['seal', 'sealing'],
  ['commit', 'database'],
  ['nlp', 'notes'],
  ['wait', 'waiting'],
];

/** What the cells share out among them, and what each is at least and at most; in pixels. */
const PLOT = 720;
const CELL_MIN = 6;
const CELL_MAX = 30;
const ROW = 18;
const LEFT = 78;
/** Below this share of its time a cell is left blank. */
const FAINT = 0.01;

/** Where a job's time went: advice first, then the heat map, then its figures as a table. */
export function ProfileView({
  profile,
  findings,
}: {
  readonly profile: Profile;
  readonly findings: readonly Finding[];
}): JSX.Element {
  const spent = new Map(
    PHASES.map(([phase]) => [phase, profile.workers.reduce((sum, { ms }) => sum + (ms[phase] ?? 0), 0)]),
  );
  const all = [...spent.values()].reduce((a, b) => a + b, 0) || 1;
  const shown = PHASES.filter(([phase]) => spent.get(phase)! > 0);
  const folder = commonFolder([...profile.slowFiles, ...profile.slowDocuments].map(({ file }) => file));
  const workers = profile.workers.filter(({ overTime }) => overTime.length > 0);
  return (
    <section>
      <h2>Where the time went</h2>
      <p>
        {durationText(profile.seconds)}, {durationText(profile.cpuSeconds)} of CPU, at most{' '}
        {countText(profile.peakRssMb)} MB of memory
      </p>
      {findings.length === 0 ? (
        <p class="quiet">Nothing stands out.</p>
      ) : (
        <ul class="findings">
          {findings.map((f) => (
            <li key={f.rule}>
              <strong>{f.what}</strong> {f.remedy}
              {f.gain > 0 && <span class="quiet"> Gain: up to {percentText(f.gain)} of the time.</span>}
            </li>
          ))}
        </ul>
      )}
      {workers.length > 0 && (
        <>
          <h3>Workers over time</h3>
          <p class="quiet small">The stronger a cell, the more of that moment the phase took.</p>
          {workers.map((worker) => (
            <HeatMap key={worker.name} worker={worker} phases={shown} />
          ))}
        </>
      )}
      <div class="table-grid">
        <table class="counts">
          <caption>Phases, all workers</caption>
          <tbody>
            {shown.map(([phase, says]) => (
              <tr key={phase}>
                <th scope="row">
                  <span class={`key phase-${phase}`} /> {says}
                </th>
                <td class="number">{durationText(spent.get(phase)! / 1000)}</td>
                <td class="number">{percentText(spent.get(phase)! / all)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <SlowTable
          caption="Slowest documents"
          rows={profile.slowDocuments.map(({ file, line, ms }) => [
            `${file.slice(folder.length)}${line === undefined ? '' : `, line ${line}`}`,
            ms,
          ])}
        />
        <SlowTable
          caption="Slowest files"
          rows={profile.slowFiles.map(({ file, ms }) => [file.slice(folder.length), ms])}
        />
      </div>
    </section>
  );
}

function SlowTable({
  caption,
  rows,
}: {
  readonly caption: string;
  readonly rows: readonly (readonly [string, number])[];
}): JSX.Element | null {
  if (rows.length === 0) return null;
  return (
    <table class="counts">
      <caption>{caption}</caption>
      <tbody>
        {rows.map(([name, ms], i) => (
          <tr key={i}>
            <th scope="row" class="path">
              {name}
            </th>
            <td class="number">{countText(ms)} ms</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** One row a phase, one cell a moment. The table beside it tells the sums to who cannot see it. */
function HeatMap({
  worker,
  phases,
}: {
  readonly worker: Profile['workers'][number];
  readonly phases: readonly (readonly [string, string])[];
}): JSX.Element {
  const { name, overTime, bucketMs } = worker;
  const cell = Math.min(CELL_MAX, Math.max(CELL_MIN, Math.floor(PLOT / overTime.length)));
  const width = LEFT + Math.max(overTime.length * cell, CELL_MAX * 3);
  const height = phases.length * ROW + 20;
  const end = durationText((overTime.length * bucketMs) / 1000);
  return (
    <figure class="heat">
      <figcaption>{name}</figcaption>
      <Scroll label={`Heat map of ${name}`}>
        <svg
          viewBox={`0 0 ${width} ${height}`}
          width={width}
          height={height}
          role="img"
          aria-label={`Time of ${name} by phase: ${phases.map(([p, says]) => `${says} ${durationText((worker.ms[p] ?? 0) / 1000)}`).join(', ')}`}
        >
          {phases.map(([phase, says], row) => (
            <g key={phase}>
              <text x={0} y={row * ROW + 13}>
                {says}
              </text>
              <rect class="track" x={LEFT} y={row * ROW} width={width - LEFT} height={ROW - 2} />
              {overTime.map((times: Times, i) => {
                const share = Math.min((times[phase] ?? 0) / bucketMs, 1);
                return share < FAINT ? null : (
                  <rect
                    key={i}
                    class={`phase-${phase}`}
                    x={LEFT + i * cell}
                    y={row * ROW}
                    width={cell - 1}
                    height={ROW - 2}
                    fill-opacity={(0.15 + 0.85 * share).toFixed(2)}
                  >
                    <title>{`${says}, ${durationText((i * bucketMs) / 1000)}: ${percentText(share)}`}</title>
                  </rect>
                );
              })}
            </g>
          ))}
          <text x={LEFT} y={height - 4}>
            0 s
          </text>
          <text x={LEFT + Math.max(overTime.length * cell, CELL_MAX * 3)} y={height - 4} text-anchor="end">
            {end}
          </text>
        </svg>
      </Scroll>
    </figure>
  );
}
