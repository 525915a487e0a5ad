/**
 * Where JSON text stops being JSON (RFC 8259): the offset of the first character that cannot stand there. Node's own
 * message quotes the text around it, which may be a patient's, and does not always give the place.
 * Run only after `JSON.parse` refused; depth is bounded before.
 */
export function locateJsonError(text: string): number {
  let i = 0;
  try {
    space();
    value();
    space();
  } catch (error) {
    if (error !== STOP) throw error;
  }
  return Math.min(i, text.length);

  function space(): void {
    while (i < text.length && ' \t\n\r'.includes(text[i]!)) i++;
  }

  function value(): void {
    const c = text[i];
    if (c === '{') members('}', true);
    else if (c === '[') members(']', false);
    else if (c === '"') string();
    else literal();
  }

  function literal(): void {
    for (const word of ['true', 'false', 'null']) {
      if (text.startsWith(word, i)) {
        i += word.length;
        return;
      }
    }
    number();
  }

  function members(close: string, named: boolean): void {
    i++;
    space();
    if (text[i] === close) {
      i++;
      return;
    }
    for (;;) {
      space();
      if (named) {
        string();
        space();
        expect(':');
        space();
      }
      value();
      space();
      if (text[i] === close) {
        i++;
        return;
      }
      expect(',');
    }
  }

  function string(): void {
    expect('"');
    for (; i < text.length; i++) {
      const c = text[i]!;
      if (c === '"') {
        i++;
        return;
      }
      if (c < ' ') throw STOP;
      if (c === '\\') {
        const next = text[i + 1];
        if (next === undefined || !'"\\/bfnrtu'.includes(next)) throw STOP;
        if (next === 'u' && !/^[0-9a-fA-F]{4}$/.test(text.slice(i + 2, i + 6))) throw STOP;
        i += next === 'u' ? 5 : 1;
      }
    }
    throw STOP;
  }

  function number(): void {
    if (text[i] === '-') i++;
    if (text[i] === '0') i++;
    else digits();
    if (text[i] === '.') {
      i++;
      digits();
    }
    if (text[i] === 'e' || text[i] === 'E') {
      i++;
      if (text[i] === '+' || text[i] === '-') i++;
      digits();
    }
  }

  function digits(): void {
    const start = i;
    while (i < text.length && text[i]! >= '0' && text[i]! <= '9') i++;
    if (i === start) throw STOP;
  }

  function expect(c: string): void {
    if (text[i] !== c) throw STOP;
    i++;
  }
}

const STOP = new Error('not JSON from here on');
