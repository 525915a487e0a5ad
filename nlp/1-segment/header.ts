import type { SectionKind } from '../model.js';
import { isCapitals } from './lettering.js';
import type { Title } from './titles.js';

/** How a header is set, strongest first: what is set weaker than the header above it may be below it. */
export enum Form {
  Markdown = 1,
  Capitals = 2,
  Bold = 3,
  Plain = 4,
  Bullet = 5,
}

/** A header that was found: where it and its words begin, and what it opens. */
export interface Header {
  readonly start: number;
  readonly bodyStart: number;
  readonly title: string;
  readonly kind: SectionKind;
  readonly sub: boolean;
  /** Set like a header, in words no rule knows. */
  readonly unknown?: boolean;
  /** In words of titles that no row has as a whole: its kind is read off its keywords. */
  readonly composed?: boolean;
  /** Jotted straight before its words, as in `PMH asthma`. */
  readonly bare?: boolean;
  readonly form: Form;
  /** Depth of a markdown heading; 0 otherwise. */
  readonly depth: number;
}

/** A header of these words; capitals are a form of their own where no other is given. */
export function headerOf(
  text: string,
  place: { readonly start: number; readonly from: number; readonly to: number; readonly bodyStart: number },
  row: Title,
  form?: Form,
  depth = 0,
): Header {
  const title = text.slice(place.from, place.to);
  return {
    start: place.start,
    bodyStart: place.bodyStart,
    title,
    kind: row.kind,
    sub: row.sub,
    form: form ?? (isCapitals(title) ? Form.Capitals : Form.Plain),
    depth,
  };
}
