import type { Annotation, Mention } from '../../nlp/model.js';
import { contextOf, shortSystem } from './annotate-text.js';
import { whyOf } from './annotate-why.js';

/** One page, complete in itself, with the notes coloured and what was refused struck through with its reason. */
export function htmlOf(notes: readonly { text: string; annotation: Annotation }[]): string {
  const body = notes.map(({ text, annotation }) => noteOf(text, annotation)).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Annotated notes</title>
<style>${STYLE}</style>
</head>
<body>
<p class="legend">${LEGEND}</p>
${body}
</body>
</html>
`;
}

function noteOf(text: string, annotation: Annotation): string {
  const accepted = annotation.mentions.filter((mention) => mention.accepted).length;
  return `<article>
<h2>${escapeHtml(annotation.id)} <small>${accepted} accepted, ${annotation.mentions.length - accepted} refused, ${escapeHtml(annotation.pipeline)}</small></h2>
<div class="note">${markedText(text, annotation)}</div>
</article>`;
}

/** The text with a mark around every mention; of two that overlap the first has the mark. */
function markedText(text: string, annotation: Annotation): string {
  const parts: string[] = [];
  const mentions = [...annotation.mentions].sort((a, b) => a.start - b.start || b.end - a.end);
  const headers = annotation.sections.filter(({ title }) => title !== '');
  let header = 0;
  let at = 0;
  const plain = (to: number) => {
    while (header < headers.length && headers[header]!.start < to) {
      const section = headers[header++]!;
      const from = text.indexOf(section.title, section.start);
      if (from < at || from < 0 || from + section.title.length > to) continue;
      parts.push(
        escapeHtml(text.slice(at, from)),
        `<b class="section" title="${section.kind}">${escapeHtml(section.title)}</b>`,
      );
      at = from + section.title.length;
    }
    parts.push(escapeHtml(text.slice(at, to)));
    at = to;
  };
  for (const mention of mentions) {
    if (mention.start < at) continue;
    plain(mention.start);
    parts.push(mark(text, mention));
    at = mention.end;
  }
  plain(text.length);
  return parts.join('');
}

function mark(text: string, mention: Mention): string {
  const words = escapeHtml(text.slice(mention.start, mention.end));
  // A relative's illness and a stopped drug must not look like the patient's own of today.
  const said = mention.accepted ? contextOf(mention) : (mention.reason ?? '');
  const above = said === '' ? '' : `<sup>${escapeHtml(said)}</sup>`;
  const inner = mention.accepted ? words : `<s>${words}</s>`;
  return `<mark class="${mention.type}${mention.accepted ? '' : ' refused'}" title="${escapeHtml(tooltip(mention))}">${inner}${above}</mark>`;
}

function tooltip(mention: Mention): string {
  const what = mention.kind ?? mention.category;
  const lines = [`${mention.type}${what ? ` ${what}` : ''}, score ${mention.score}`];
  const context = contextOf(mention);
  if (context) lines.push(context);
  for (const { type, text, normalized } of mention.attributes)
    lines.push(`${type}: ${text}${normalized ? ` = ${normalized}` : ''}`);
  for (const { system, code, display } of mention.concepts)
    lines.push(`${shortSystem(system)} ${code} ${display}`);
  lines.push(...whyOf(mention));
  return lines.join('\n');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const HUES: Readonly<Partial<Record<Mention['type'], number>>> = {
  medication: 190,
  procedure: 280,
  diagnosis: 40,
  symptom: 60,
  test: 215,
  'vital-sign': 235,
  vaccine: 130,
  allergen: 0,
  device: 310,
  social: 90,
  phi: 340,
};

const STYLE = `body{font:15px/1.55 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1b1f23}
h2{font-size:1.05rem;margin:2rem 0 .5rem}h2 small{font-weight:400;color:#57606a}
.note{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid #d0d7de;border-radius:6px;padding:1rem}
mark{background:hsl(var(--h) 80% 90%);box-shadow:inset 0 -2px hsl(var(--h) 60% 45%);border-radius:2px;color:inherit;padding:0 1px}
mark.refused{background:#f0f0f0;box-shadow:none;color:#57606a}sup{font-size:.68em;margin-left:2px}
b.section{letter-spacing:.02em}.legend mark{margin-right:.4rem}
${Object.entries(HUES)
  .map(([type, hue]) => `mark.${type}{--h:${hue}}`)
  .join('')}`;

const LEGEND = `${Object.keys(HUES)
  .map((type) => `<mark class="${type}">${type}</mark>`)
  .join(' ')} <mark class="refused"><s>refused</s><sup>reason</sup></mark>`;
