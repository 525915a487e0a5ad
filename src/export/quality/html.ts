import type { ColumnQuality, QualityReport, TypeQuality } from './report.js';
import type { Histogram } from './sketch.js';

/** The report as one page, complete in itself: no script, nothing fetched. */
export function qualityHtml(report: QualityReport): string {
  const total = report.types.reduce((sum, t) => sum + t.rows, 0);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Quality of the data</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Quality of the data</h1>
<p>${number(total)} resources of ${report.types.length} types, as of ${escapeHtml(report.asOf)}. Histograms, medians and predictive
power are counted from up to ${number(report.bounds.SAMPLED_ROWS ?? 0)} rows of a type, chosen at random; counts are of all.</p>
${findings(report)}
${target(report)}
${broken(report)}
${report.types.map(typeSection).join('\n')}
</body>
</html>
`;
}

function findings({ types }: QualityReport): string {
  const rows = types.map(
    ({ type, rows: n, duplicates, dates, recordingDelay: delay }) =>
      `<tr><th scope="row"><a href="#${type}">${type}</a></th><td>${number(n)}</td>` +
      `${count(duplicates)}<td>${dates.undated === undefined ? '–' : number(dates.undated)}</td>` +
      `${[dates.beforeBirth, dates.afterDeath, dates.future].map(count).join('')}` +
      `<td>${delay ? `${number(delay.median)} days, 90 % within ${number(delay.p90)} (${delay.by === 'last_updated' ? 'when it was stored here' : escapeHtml(delay.by)})` : ''}</td></tr>`,
  );
  return `<h2>At a glance</h2><table><thead><tr><th>Type</th><th>Rows</th><th>Duplicates</th><th>Undated</th><th>Before birth</th><th>After death</th><th>In the future</th><th>Recorded after</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

/** A number that should be none. */
function count(n: number): string {
  return `<td${n > 0 ? ' class="bad"' : ''}>${number(n)}</td>`;
}

function target({ target: t }: QualityReport): string {
  if (!t) return '';
  const rows = t.columns.map(
    (c) =>
      `<tr><th scope="row">${escapeHtml(c.name)}</th><td class="share">${bar(c.power)} ${percent(c.power)}</td><td>${c.afterEvent === undefined ? '' : percent(c.afterEvent)}</td><td class="bad">${escapeHtml(c.leak ?? '')}</td></tr>`,
  );
  return `<h2>What tells ${escapeHtml(`${t.type}.${t.column}`)}</h2><p>${number(t.rows)} rows, ${percent(t.filled / Math.max(1, t.rows))} with a value. Power: the share of the target’s uncertainty that the column alone takes away.</p><table><thead><tr><th>Column</th><th>Power</th><th>After the event</th><th>Leakage</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function broken({ brokenReferences }: QualityReport): string {
  if (brokenReferences.length === 0) return '<h2>Broken references</h2><p>None.</p>';
  const rows = brokenReferences.map(
    (b) =>
      `<tr><th scope="row">${escapeHtml(b.from)}</th><td>${escapeHtml(b.to)}</td><td class="bad">${number(b.count)}</td></tr>`,
  );
  return `<h2>Broken references</h2><table><thead><tr><th>From</th><th>To</th><th>References</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function typeSection(t: TypeQuality): string {
  const columns = t.columns
    .filter((c) => c.filled > 0)
    .map(
      (c) =>
        `<tr><th scope="row">${escapeHtml(c.name)}</th><td>${c.type}</td><td class="share">${bar(c.filled / t.rows)} ${percent(c.filled / t.rows)}</td><td>${number(c.distinct)}</td><td>${values(c)}</td><td>${c.outliers ? `${number(c.outliers.count)} of ${number(c.outliers.of)}` : ''}</td></tr>`,
    );
  const empty = t.columns.filter((c) => c.filled === 0).map((c) => escapeHtml(c.name));
  return `<section id="${t.type}"><h2>${t.type}</h2><table><thead><tr><th>Column</th><th>Type</th><th>Filled</th><th>Different</th><th>Values</th><th>Outliers</th></tr></thead><tbody>${columns.join('')}</tbody></table>${
    empty.length > 0
      ? `<details><summary>${empty.length} columns are empty</summary><p>${empty.join(', ')}</p></details>`
      : ''
  }${measurements(t)}</section>`;
}

function measurements({ measurements: all }: TypeQuality): string {
  if (all.length === 0) return '';
  const rows = all.map(
    (m) =>
      `<tr><th scope="row">${escapeHtml(m.code || '(none)')}</th><td>${escapeHtml(m.unit)}</td>${[m.rows, m.median, m.robustSd, m.min, m.max].map((v) => `<td>${number(v)}</td>`).join('')}<td${m.outliers > 0 ? ' class="bad"' : ''}>${m.atLeast ? 'at least ' : ''}${number(m.outliers)}</td></tr>`,
  );
  return `<h3>Measurements by code and unit</h3><table><thead><tr><th>Code</th><th>Unit</th><th>Rows</th><th>Median</th><th>Robust SD</th><th>Lowest</th><th>Highest</th><th>Outliers</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function values(c: ColumnQuality): string {
  if (c.top)
    return c.top
      .slice(0, 5)
      .map((v) => `${escapeHtml(v.value)} <small>${number(v.count)}</small>`)
      .join(', ');
  if (c.min === undefined) return '';
  return `${c.histogram ? bars(c.histogram) : ''} ${escapeHtml(String(c.min))} … ${escapeHtml(String(c.max))}`;
}

function bars({ counts }: Histogram): string {
  const most = Math.max(...counts, 1);
  const rects = counts.map((n, i) => {
    const h = Math.round((n / most) * 24);
    return `<rect x="${i * 5}" y="${24 - h}" width="4" height="${h}"/>`;
  });
  return `<svg width="${counts.length * 5}" height="24" role="img" aria-label="histogram">${rects.join('')}</svg>`;
}

function bar(share: number): string {
  return `<svg width="60" height="8" aria-hidden="true"><rect class="back" width="60" height="8"/><rect width="${Math.round(60 * Math.min(1, Math.max(0, share)))}" height="8"/></svg>`;
}

const number = (n: number) => n.toLocaleString('en-US', { maximumFractionDigits: 4 });
const percent = (share: number) => `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const STYLE = `body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1b2733;background:#fff}
table{border-collapse:collapse;margin:.5rem 0 1.5rem;width:100%}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde3e8;vertical-align:middle}
thead th{border-bottom:2px solid #8296a8}tbody th{font-weight:500}td{font-variant-numeric:tabular-nums}.bad{color:#a3271b}.share{white-space:nowrap}td{overflow-wrap:anywhere}
svg rect{fill:#24738f}svg rect.back{fill:#e3e9ee}small{color:#5a6b7a}h2{margin-top:2.2rem}details{margin-bottom:1rem}
@media(prefers-color-scheme:dark){body{background:#12181e;color:#dfe6ec}th,td{border-color:#2c3843}.bad{color:#ff9b8e}svg rect{fill:#5fb5d3}svg rect.back{fill:#26313b}small{color:#94a5b3}a{color:#8ecbe4}}`;
