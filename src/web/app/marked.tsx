import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { systemName } from './words.js';

/** A mention as `$annotation` and `$annotate` give it. */
export interface Mention {
  start: number;
  end: number;
  text: string;
  type: string;
  assertion: { polarity: string; temporality: string; experiencer: string };
  attributes: { type: string; text: string; start: number; end: number; normalized?: string }[];
  concepts: { system: string; code: string; display: string; score: number }[];
  score: number;
  accepted: boolean;
  reason?: string;
  because?: Record<string, string>;
}

/** The note with its mentions marked; overlapping ones give way to the earlier and longer. */
export function MarkedText({
  text,
  mentions,
  chosen,
  onChoose,
}: {
  text: string;
  mentions: readonly Mention[];
  chosen: Mention | undefined;
  onChoose: (mention: Mention) => void;
}): JSX.Element {
  const mark = useRef<HTMLButtonElement>(null);
  useEffect(() => mark.current?.scrollIntoView({ block: 'center' }), [chosen]);
  const parts: (string | Mention)[] = [];
  let at = 0;
  for (const mention of [...mentions].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (mention.start < at) continue;
    if (mention.start > at) parts.push(text.slice(at, mention.start));
    parts.push(mention);
    at = mention.end;
  }
  parts.push(text.slice(at));
  return (
    <div class="note">
      {parts.map((part, i) =>
        typeof part === 'string' ? (
          <span key={i}>{part}</span>
        ) : (
          <mark
            key={i}
            class={`m ${part.type}${part.accepted ? '' : ' refused'}${part === chosen ? ' chosen' : ''}`}
          >
            <button
              type="button"
              class="words"
              ref={part === chosen ? mark : undefined}
              title={titleOf(part)}
              onClick={() => onChoose(part)}
            >
              {part.accepted ? text.slice(part.start, part.end) : <s>{text.slice(part.start, part.end)}</s>}
            </button>
          </mark>
        ),
      )}
    </div>
  );
}

function titleOf(m: Mention): string {
  const { polarity, temporality, experiencer } = m.assertion;
  return `${m.type}: ${[polarity, temporality, experiencer].join(', ')}${m.accepted ? '' : `; refused: ${m.reason}`}`;
}

export function MentionDetail({ mention }: { mention: Mention }): JSX.Element {
  const { polarity, temporality, experiencer } = mention.assertion;
  return (
    <aside class="detail" aria-label="The mention">
      <h2>{mention.text.replace(/\s+/g, ' ')}</h2>
      <p>
        <span class={`m ${mention.type}`}>{mention.type}</span>{' '}
        {mention.accepted ? <strong>accepted</strong> : <strong class="no">refused: {mention.reason}</strong>}
      </p>
      <dl>
        <dt>Assertion</dt>
        <dd>
          {polarity}, {temporality}, {experiencer}
        </dd>
        <dt>Score</dt>
        <dd>{mention.score.toFixed(2)}</dd>
        {mention.attributes.map((a) => (
          <>
            <dt>{a.type}</dt>
            <dd>
              {a.text} {a.normalized && a.normalized !== a.text && <span class="quiet">{a.normalized}</span>}
            </dd>
          </>
        ))}
        {mention.concepts.map((c) => (
          <>
            <dt>{systemName(c.system)}</dt>
            <dd>
              {c.code} {c.display} <span class="quiet">{c.score.toFixed(2)}</span>
            </dd>
          </>
        ))}
        {Object.entries(mention.because ?? {}).map(([stage, why]) => (
          <>
            <dt class="quiet">{stage}</dt>
            <dd class="quiet">{why}</dd>
          </>
        ))}
      </dl>
    </aside>
  );
}

export function Legend({ mentions }: { mentions: readonly Mention[] }): JSX.Element {
  const types = [...new Set(mentions.map((m) => m.type))].sort();
  const refused = mentions.filter((m) => !m.accepted).length;
  return (
    <p class="legend">
      {types.map((t) => (
        <span key={t} class={`m ${t}`}>
          {t}
        </span>
      ))}
      {refused > 0 && (
        <span class="quiet">
          <s>struck through</s>: refused as a fact ({refused})
        </span>
      )}
    </p>
  );
}
