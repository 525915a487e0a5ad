import { invalid } from '../core/fault.js';

const HALF_AN_ESCAPE = /%(?![0-9a-f]{2})/i;

/**
 * Whether a query string or form says what its sender meant: `URLSearchParams` takes half an escape as it stands and bytes
 * that are no UTF-8 for U+FFFD, and the search would be another one than was asked for.
 * @throws Fault `invalid` naming the parameter
 */
export function requireDecodable(text: string): void {
  if (!text.includes('%')) return;
  for (const pair of text.split('&')) {
    if (!pair.includes('%')) continue;
    if (!HALF_AN_ESCAPE.test(pair)) {
      try {
        decodeURIComponent(pair);
        continue;
      } catch {
        // Told below.
      }
    }
    const name = /^[\w:.-]{1,64}/.exec(pair)?.[0];
    throw invalid(
      'A parameter is not percent-encoded UTF-8.',
      name,
      'Encode it as encodeURIComponent does; a percent sign is %25.',
    );
  }
}
