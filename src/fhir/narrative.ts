/**
 * Narratives (R4 narrative.html#rules, invariants txt-1 and txt-2): what may stand in `text.div`. Reads the text once.
 * Whatever could run or load something when a browser shows it is refused here, before anybody shows it.
 */

const ELEMENTS = new Set(
  (
    'a abbr acronym address b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em h1 h2 h3 h4 h5 h6 hr i ' +
    'img kbd li map area ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul var del ins'
  ).split(' '),
);

const ATTRIBUTES = new Set(
  (
    'abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset cite class ' +
    'colspan compact coords dir frame headers height href hreflang hspace id lang longdesc name nowrap rel rev rowspan rules ' +
    'scope shape span src start style summary tabindex title type valign value vspace width xml:lang xml:space xmlns datetime'
  ).split(' '),
);

const URL_ATTRIBUTES = new Set(['href', 'src', 'cite', 'longdesc']);
const SAFE_SCHEMES = ['http:', 'https:', 'ftp:', 'mailto:', 'tel:', 'urn:', 'data:image/'];

/** What is wrong with a narrative's div; undefined when nothing is. */
export function narrativeFault(div: string): string | undefined {
  let content = false;
  let i = 0;
  while (i < div.length) {
    const open = div.indexOf('<', i);
    const text = div.slice(i, open < 0 ? div.length : open);
    if (!content && text.trim() !== '') content = true;
    if (open < 0) break;
    if (div.startsWith('<!--', open)) {
      const end = div.indexOf('-->', open);
      if (end < 0) return 'txt-1: A comment in the narrative does not end';
      i = end + 3;
      continue;
    }
    const end = endOfTag(div, open);
    if (end < 0) return 'txt-1: A tag in the narrative does not end';
    const wrong = tagFault(div.slice(open + 1, end));
    if (wrong) return wrong;
    if (div.startsWith('img', open + 1)) content = true;
    i = end + 1;
  }
  return content ? undefined : 'txt-2: The narrative has no content';
}

/** The `>` that closes a tag; one inside quotes does not. */
function endOfTag(div: string, open: number): number {
  let quote = '';
  for (let i = open; i < div.length; i++) {
    const c = div[i]!;
    if (quote !== '') {
      if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '>') return i;
  }
  return -1;
}

function tagFault(inside: string): string | undefined {
  const closing = inside.startsWith('/');
  const body = closing ? inside.slice(1) : inside;
  let at = 0;
  while (at < body.length && !isSpace(body[at]!) && body[at] !== '/') at++;
  const name = body.slice(0, at).toLowerCase();
  if (!ELEMENTS.has(name)) return 'txt-1: The narrative has an element that R4 does not allow';
  while (at < body.length) {
    while (at < body.length && (isSpace(body[at]!) || body[at] === '/')) at++;
    const start = at;
    while (at < body.length && !isSpace(body[at]!) && body[at] !== '=' && body[at] !== '/') at++;
    const attribute = body.slice(start, at).toLowerCase();
    if (attribute === '') break;
    let value = '';
    while (at < body.length && isSpace(body[at]!)) at++;
    if (body[at] === '=') {
      at++;
      while (at < body.length && isSpace(body[at]!)) at++;
      const quote = body[at] === '"' || body[at] === "'" ? body[at]! : undefined;
      if (quote === undefined) return 'txt-1: An attribute of the narrative has no quotes';
      const close = body.indexOf(quote, at + 1);
      if (close < 0) return 'txt-1: An attribute of the narrative does not end';
      value = body.slice(at + 1, close);
      at = close + 1;
    }
    if (!ATTRIBUTES.has(attribute) && !attribute.startsWith('xmlns:'))
      return 'txt-1: The narrative has an attribute that R4 does not allow';
    if (URL_ATTRIBUTES.has(attribute) && !isSafeUrl(value))
      return 'txt-1: The narrative has a link that could run a program';
  }
  return undefined;
}

/** Relative, or of a scheme that runs nothing. Entities and control characters are how others are hidden. */
function isSafeUrl(url: string): boolean {
  let shown = '';
  for (const c of url.toLowerCase()) {
    if (c < ' ') return false;
    if (c !== ' ') shown += c;
  }
  const mark = shown.search(/[:/?#&]/);
  if (mark < 0 || '/?#'.includes(shown[mark]!)) return true;
  return SAFE_SCHEMES.some((scheme) => shown.startsWith(scheme));
}

function isSpace(c: string): boolean {
  return c === ' ' || c === '\n' || c === '\t' || c === '\r';
}
