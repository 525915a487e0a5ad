import './note/note.css';
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
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

/**
 * The note with its mentions marked; overlapping ones give way to the earlier and longer. A word under the pointer or
 * with the focus is peeked at; a press chooses it.
 */
export function MarkedText({
  text,
  mentions,
  chosen,
  onChoose,
  onPeek,
}: {
  text: string;
  mentions: readonly Mention[];
  chosen: Mention | undefined;
  onChoose: (mention: Mention) => void;
  onPeek?: (mention: Mention | undefined) => void;
}): JSX.Element {
  const mark = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    // What was pressed is in sight already: only what was chosen elsewhere is brought there.
    const box = mark.current?.getBoundingClientRect();
    if (box && (box.top < 0 || box.bottom > innerHeight)) mark.current?.scrollIntoView({ block: 'center' });
  }, [chosen]);
  const parts = useMemo(() => partsOf(text, mentions), [text, mentions]);
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
              title={onPeek ? undefined : titleOf(part)}
              aria-description={titleOf(part)}
              aria-pressed={part === chosen}
              onClick={() => onChoose(part)}
              onPointerEnter={() => onPeek?.(part)}
              onPointerLeave={() => onPeek?.(undefined)}
              onFocus={() => onPeek?.(part)}
              onBlur={() => onPeek?.(undefined)}
            >
              {part.accepted ? text.slice(part.start, part.end) : <s>{text.slice(part.start, part.end)}</s>}
            </button>
          </mark>
        ),
      )}
    </div>
  );
}

function partsOf(text: string, mentions: readonly Mention[]): (string | Mention)[] {
  const parts: (string | Mention)[] = [];
  let at = 0;
  for (const mention of [...mentions].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (mention.start < at) continue;
    if (mention.start > at) parts.push(text.slice(at, mention.start));
    parts.push(mention);
    at = mention.end;
  }
  return [...parts, text.slice(at)];
}

function titleOf(m: Mention): string {
  const { polarity, temporality, experiencer } = m.assertion;
  return `${m.type}: ${[polarity, temporality, experiencer].join(', ')}${m.accepted ? '' : `; refused: ${m.reason}`}`;
}

export function MentionDetail({ mention }: { mention: Mention }): JSX.Element {
  return (
    <aside class="detail" aria-label="The mention">
      <MentionFacts mention={mention} />
    </aside>
  );
}

/** Assertion, attributes, codes with their scores, and what decided. */
export function MentionFacts({ mention }: { mention: Mention }): JSX.Element {
  const { polarity, temporality, experiencer } = mention.assertion;
  const because = Object.entries(mention.because ?? {});
  return (
    <>
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
        <dd>
          <Score of={mention.score} />
        </dd>
        {mention.attributes.map((a) => (
          <>
            <dt key={`${a.type} ${a.start}`}>{a.type}</dt>
            <dd>
              {a.text} {a.normalized && a.normalized !== a.text && <span class="quiet">{a.normalized}</span>}
            </dd>
          </>
        ))}
        {mention.concepts.map((c) => (
          <>
            <dt key={`${c.system} ${c.code}`}>{systemName(c.system)}</dt>
            <dd>
              {c.code} {c.display} <Score of={c.score} />
            </dd>
          </>
        ))}
      </dl>
      {because.length > 0 && (
        <>
          <h3>Why</h3>
          <dl class="because">
            {because.map(([stage, why]) => (
              <>
                <dt key={stage}>{stage}</dt>
                <dd>{why}</dd>
              </>
            ))}
          </dl>
        </>
      )}
    </>
  );
}

function Score({ of }: { of: number }): JSX.Element {
  return (
    <span class="score">
      <meter min={0} max={1} value={of} aria-label="Score" /> {of.toFixed(2)}
    </span>
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
