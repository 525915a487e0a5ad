import './note/note.css';
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type Piece, partsOf, piecesOf } from './note/pieces.js';
import { normalText, systemName } from './words.js';

/** A mention as `$annotation` and `$annotate` give it. */
export interface Mention {
  start: number;
  end: number;
  text: string;
  type: string;
  /** Of a procedure or test: done to treat or to find out. Not in annotations of old pipelines. */
  category?: string;
  assertion: { polarity: string; temporality: string; experiencer: string };
  attributes: { type: string; text: string; start: number; end: number; normalized?: string }[];
  concepts: { system: string; code: string; display: string; score: number }[];
  score: number;
  accepted: boolean;
  reason?: string;
  because?: Record<string, string>;
}

interface Marked {
  readonly text: string;
  readonly mentions: readonly Mention[];
  readonly chosen: Mention | undefined;
  readonly onChoose: (mention: Mention) => void;
  readonly onPeek?: ((mention: Mention | undefined) => void) | undefined;
}

/**
 * The note with its mentions marked; overlapping ones give way to the earlier and longer. A word under the pointer or
 * with the focus is peeked at; a press chooses it. A long note is marked piece by piece, as its pieces come near the
 * screen: until then they are plain text, which takes the same room and can be found and read.
 */
export function MarkedText({ text, mentions, ...marked }: Marked): JSX.Element {
  const note = useRef<HTMLDivElement>(null);
  const { chosen } = marked;
  useEffect(() => {
    // What was pressed is in sight already: only what was chosen elsewhere is brought there.
    const mark = note.current?.querySelector('mark.chosen');
    const box = mark?.getBoundingClientRect();
    if (box && (box.top < 0 || box.bottom > innerHeight)) mark!.scrollIntoView({ block: 'center' });
  }, [chosen]);
  const pieces = useMemo(() => piecesOf(text, mentions), [text, mentions]);
  return (
    <div class="note" ref={note}>
      {pieces.map((piece, i) => (
        <MarkedPiece
          key={piece.start}
          {...marked}
          chosen={chosen && chosen.start >= piece.start && chosen.start < piece.end ? chosen : undefined}
          text={text}
          piece={piece}
          first={i === 0}
        />
      ))}
    </div>
  );
}

function MarkedPiece({
  text,
  piece,
  first,
  chosen,
  onChoose,
  onPeek,
}: Omit<Marked, 'mentions'> & { readonly piece: Piece<Mention>; readonly first: boolean }): JSX.Element {
  const [near, setNear] = useState(first);
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (near) return;
    const watch = new IntersectionObserver(
      (seen) => seen.some((s) => s.isIntersecting) && setNear(true),
      // A screen ahead, so that nobody sees it happen.
      { rootMargin: '100% 0px' },
    );
    watch.observe(holder.current!);
    return () => watch.disconnect();
  }, [near]);
  const marked = near || chosen !== undefined;
  const parts = useMemo(() => (marked ? partsOf(text, piece) : []), [marked, text, piece]);
  return (
    <div class="piece" ref={holder}>
      {marked
        ? parts.map((part, i) =>
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
                  title={onPeek ? undefined : titleOf(part)}
                  aria-description={titleOf(part)}
                  aria-pressed={part === chosen}
                  onClick={() => onChoose(part)}
                  onPointerEnter={() => onPeek?.(part)}
                  onPointerLeave={() => onPeek?.(undefined)}
                  onFocus={() => onPeek?.(part)}
                  onBlur={() => onPeek?.(undefined)}
                >
                  {part.accepted ? (
                    text.slice(part.start, part.end)
                  ) : (
                    <s>{text.slice(part.start, part.end)}</s>
                  )}
                </button>
              </mark>
            ),
          )
        : text.slice(piece.start, piece.end)}
    </div>
  );
}

function titleOf(m: Mention): string {
  const { polarity, temporality, experiencer } = m.assertion;
  return `${nameOfType(m)}: ${[polarity, temporality, experiencer].join(', ')}${m.accepted ? '' : `; refused: ${m.reason}`}`;
}

function nameOfType({ type, category }: Mention): string {
  return category ? `${category} ${type}` : type;
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
        <span class={`m ${mention.type}`}>{nameOfType(mention)}</span>{' '}
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
              {a.text}{' '}
              {a.normalized && a.normalized.toLowerCase() !== a.text.toLowerCase() && (
                <span class="quiet">{normalText(a.normalized)}</span>
              )}
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
