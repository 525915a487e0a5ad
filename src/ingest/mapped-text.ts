/**
 * Text that is put together from pieces of an original, and where each piece came from. Offsets are UTF-16 code units
 * on both sides.
 */
export class MappedText {
  #pieces: string[] = [];
  #length = 0;
  readonly #starts: number[] = [];
  readonly #origins: number[] = [];
  readonly #spans: number[] = [];

  get length(): number {
    return this.#length;
  }

  /** Adds words that stand at `origin` in the original and take `span` of its units there (0: made by us). */
  add(text: string, origin: number, span: number): void {
    if (text === '') return;
    this.#starts.push(this.#length);
    this.#origins.push(origin);
    this.#spans.push(span);
    this.#pieces.push(text);
    this.#length += text.length;
  }

  toString(): string {
    // Joined once and kept: a second call must not join thousands of pieces again.
    if (this.#pieces.length > 1) this.#pieces = [this.#pieces.join('')];
    return this.#pieces[0] ?? '';
  }

  /** Offset in the original of an offset in the text; inside a piece that was rewritten, at most its end. */
  toOriginal(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    if (high < 0) return 0;
    return this.#origins[low]! + Math.min(Math.max(offset - this.#starts[low]!, 0), this.#spans[low]!);
  }
}

/** Writes running text, lines and table cells without doubled blanks, whatever a layout format says in between. */
export class TextFlow {
  readonly mapped = new MappedText();
  #space = false;
  #breaks = 0;
  #cell = false;
  #origin = 0;

  /** Words as they stand; blanks at either end become one. `preserve` keeps them all. */
  words(text: string, origin: number, span: number, preserve = false): void {
    if (preserve) {
      this.#put(text, origin, span);
      return;
    }
    const linear = span === text.length;
    for (const match of text.matchAll(/[^ \t\r\n\f\u00a0]+|[ \t\r\n\f\u00a0]+/g)) {
      const piece = match[0];
      const at = linear ? origin + match.index : origin;
      if (/^[ \t\r\n\f\u00a0]/.test(piece)) {
        this.#space = true;
        this.#origin = at;
      } else this.#put(piece, at, linear ? piece.length : span);
    }
  }

  /** The next words start on a new line; `blank` leaves an empty line before them. */
  line(blank = false): void {
    this.#breaks = Math.max(this.#breaks, blank ? 2 : 1);
    this.#cell = false;
  }

  /** A line end that stands in the source: two of them are an empty line. */
  hardLine(): void {
    this.#breaks = Math.min(this.#breaks + 1, 2);
    this.#cell = false;
  }

  /** The next words stand in another cell of the same row. */
  cell(): void {
    this.#cell = true;
  }

  #put(text: string, origin: number, span: number): void {
    if (text === '') return;
    if (this.mapped.length > 0) {
      const gap = this.#breaks > 0 ? '\n'.repeat(this.#breaks) : this.#cell ? '\t' : this.#space ? ' ' : '';
      this.mapped.add(gap, gap === ' ' ? this.#origin : origin, gap === ' ' ? 1 : 0);
    }
    this.#breaks = 0;
    this.#cell = false;
    this.#space = false;
    this.mapped.add(text, origin, span);
  }
}
