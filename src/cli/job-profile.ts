import { PHASES, type Phase, type PhaseTimes } from '../core/profile.js';
import { diagnose } from '../jobs/diagnosis.js';
import { type JobProfile, totals } from '../jobs/profile.js';
import { textTable } from './table.js';

const percent = (share: number) => `${Math.round(share * 100)} %`;

/** A profile for the screen: where the time went, what held the job up, what took longest. */
export function profileText(profile: JobProfile): string {
  const spent = totals(profile);
  const all = PHASES.reduce((sum, phase) => sum + spent[phase], 0) || 1;
  const shown = PHASES.filter((phase) => spent[phase] > 0);
  const findings = diagnose(profile);
  const lines = [
    `${profile.resources.toLocaleString('en-US')} resources in ${profile.seconds} s, ${profile.cpuSeconds} s of CPU, at most ${profile.peakRssMb} MB`,
    '',
    textTable(
      ['phase', 'seconds', 'share', ...profile.workers.map(({ name }) => name)],
      shown.map((phase) => [
        phase,
        (spent[phase] / 1000).toFixed(1),
        percent(spent[phase] / all),
        ...profile.workers.map(({ ms }) => (ms[phase] / 1000).toFixed(1)),
      ]),
    ),
    '',
  ];
  if (findings.length === 0) lines.push('Nothing stands out.');
  for (const { rule, what, remedy, gain } of findings)
    lines.push(
      `${rule}: ${what}`,
      `  ${remedy}${gain > 0 ? ` Gain: up to ${percent(gain)} of the time.` : ''}`,
    );
  const slow = profile.slowDocuments.map(({ file, line, ms, size }) => [
    `${file}${line === undefined ? '' : `, line ${line}`}`,
    ms,
    size,
  ]);
  if (slow.length > 0) lines.push('', textTable(['slowest documents', 'ms', 'size'], slow));
  const files = profile.slowFiles.map(({ file, ms, resources }) => [file, ms, resources]);
  if (files.length > 0) lines.push('', textTable(['slowest files', 'ms', 'resources'], files));
  return lines.join('\n');
}

const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!);

/** Colours of the phases, told apart by lightness as well as by hue. */
const COLOURS: Readonly<Record<Phase, string>> = {
  read: '#7fb3d5',
  parse: '#2e86c1',
  validate: '#1b4f72',
  resolve: '#a569bd',
  index: '#f5b041',
  seal: '#b9770e',
  commit: '#cb4335',
  nlp: '#229954',
  wait: '#d5d8dc',
};

/** A page without anything from elsewhere: totals, a heat map of workers over time, findings, what took longest. */
export function profileHtml(profile: JobProfile, job: string): string {
  const spent = totals(profile);
  const all = PHASES.reduce((sum, phase) => sum + spent[phase], 0) || 1;
  const shown = PHASES.filter((phase) => spent[phase] > 0);
  const findings = diagnose(profile)
    .map(
      ({ rule, what, remedy, gain }) =>
        `<li><strong>${escaped(rule)}</strong>: ${escaped(what)} ${escaped(remedy)}${gain > 0 ? ` Gain: up to ${percent(gain)} of the time.` : ''}</li>`,
    )
    .join('\n');
  const rows = shown
    .map(
      (phase) =>
        `<tr><th scope="row"><span class="key" style="background:${COLOURS[phase]}"></span>${phase}</th><td>${(spent[phase] / 1000).toFixed(1)} s</td><td>${percent(spent[phase] / all)}</td></tr>`,
    )
    .join('\n');
  const slow = [
    ...profile.slowDocuments.map((one) => ({ ...one, what: 'document' })),
    ...profile.slowFiles.map((one) => ({ ...one, what: 'file' })),
  ]
    .map(
      ({ what, file, line, ms, size }) =>
        `<tr><td>${what}</td><td>${escaped(file)}</td><td>${line ?? ''}</td><td>${ms}</td><td>${size}</td></tr>`,
    )
    .join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Job ${escaped(job)}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2833}
table{border-collapse:collapse;margin:1rem 0}th,td{text-align:left;padding:.15rem .8rem .15rem 0;font-variant-numeric:tabular-nums}
.key{display:inline-block;width:.8rem;height:.8rem;margin-right:.5rem;border-radius:2px}
svg{width:100%;height:auto;display:block;margin:.5rem 0}text{font:11px system-ui,sans-serif;fill:#1c2833}
</style>
</head>
<body>
<h1>Where the time went</h1>
<p>Job ${escaped(job)}: ${profile.resources.toLocaleString('en-US')} resources, ${profile.documents.toLocaleString('en-US')} documents in ${profile.seconds} s; ${profile.cpuSeconds} s of CPU; at most ${profile.peakRssMb} MB.</p>
<h2>What held it up</h2>
<ul>
${findings || '<li>Nothing stands out.</li>'}
</ul>
<h2>Phases</h2>
<table><tbody>
${rows}
</tbody></table>
<h2>Workers over time</h2>
${profile.workers.map((worker) => heatMap(worker, shown)).join('\n')}
<h2>What took longest</h2>
<table><thead><tr><th>what</th><th>file</th><th>line</th><th>ms</th><th>size</th></tr></thead><tbody>
${slow}
</tbody></table>
</body>
</html>
`;
}

const CELL = 8;
const ROW = 16;
const LEFT = 70;
/** Room for both ends of the axis, however short the job. */
const LEAST = 90;

/** One row a phase, one cell a bucket; the darker, the more of the bucket it took. */
function heatMap(
  { name, overTime, bucketMs }: JobProfile['workers'][number],
  phases: readonly Phase[],
): string {
  const width = Math.max(LEFT + overTime.length * CELL, LEFT + LEAST);
  const height = phases.length * ROW + 20;
  const cells = phases
    .flatMap((phase, row) =>
      overTime.map((times: PhaseTimes, i) => {
        const share = Math.min(times[phase] / bucketMs, 1);
        return share < 0.01
          ? ''
          : `<rect x="${LEFT + i * CELL}" y="${row * ROW}" width="${CELL - 1}" height="${ROW - 2}" fill="${COLOURS[phase]}" fill-opacity="${share.toFixed(2)}"><title>${phase}, ${((i * bucketMs) / 1000).toFixed(1)} s: ${percent(share)}</title></rect>`;
      }),
    )
    .join('');
  const labels = phases.map((phase, row) => `<text x="0" y="${row * ROW + 11}">${phase}</text>`).join('');
  const end = ((overTime.length * bucketMs) / 1000).toFixed(1);
  return `<h3>${escaped(name)}</h3>
<svg viewBox="0 0 ${width} ${height}" style="max-width:${width}px" role="img" aria-label="Time of ${escaped(name)} by phase">${labels}${cells}<text x="${LEFT}" y="${height - 4}">0 s</text><text x="${width}" y="${height - 4}" text-anchor="end">to ${end} s</text></svg>`;
}
