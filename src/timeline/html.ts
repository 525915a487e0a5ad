import { dayOf, type TimelineEvent } from './event.js';
import { whenText } from './table.js';

/** The events as one HTML page that needs nothing else and runs nothing. Everything from a record is escaped. */
export function timelineHtml(events: readonly TimelineEvent[]): string {
  const rows: string[] = [];
  let year = '';
  for (const event of events) {
    const its = event.when ? dayOf(event).slice(0, 4) : 'No date known';
    if (its !== year)
      rows.push(`<tr class="year"><th colspan="4" scope="colgroup">${escapeHtml(its)}</th></tr>`);
    year = its;
    rows.push(eventRow(event));
  }
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Timeline</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1b2733; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #e3e8ee; }
tr.year th { padding-top: 1.4rem; font-size: 1.2rem; border-bottom: 2px solid #14717a; }
td.when { white-space: nowrap; font-variant-numeric: tabular-nums; }
td.kind { color: #14717a; white-space: nowrap; }
q { color: #5b4a00; background: #fff6d6; }
small { color: #5c6b7a; }
</style>
</head>
<body>
<h1>Timeline</h1>
<table>
<thead><tr><th scope="col">When</th><th scope="col">Kind</th><th scope="col">What</th><th scope="col">Source</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</body>
</html>`;
}

function eventRow(event: TimelineEvent): string {
  const words = event.words.map((w) => `<q>${escapeHtml(w.text)}</q>`).join(' ');
  const score = event.words[0]?.score;
  const sources = event.sources.map(escapeHtml).join('<br>');
  return (
    `<tr><td class="when">${escapeHtml(whenText(event.when))}</td><td class="kind">${escapeHtml(event.kind)}</td>` +
    `<td>${escapeHtml(event.title)}${words === '' ? '' : `<br>${words}`}${score === undefined ? '' : ` <small>score ${escapeHtml(String(score))}</small>`}</td>` +
    `<td><small>${sources}</small></td></tr>`
  );
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
