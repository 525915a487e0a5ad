import type { Token } from '../model.js';

const BOX_LINE_MAX = 200;

/** Whether a line has its boxes behind their words: `nausea [x] vomiting [ ]`. */
export function boxesFollow(text: string, at: number): boolean {
  let from = at;
  while (from > 0 && at - from < BOX_LINE_MAX && text.charCodeAt(from - 1) !== 10) from--;
  let to = at;
  while (to < text.length && to - at < BOX_LINE_MAX && text.charCodeAt(to) !== 10) to++;
  const line = text.slice(from, to);
  return /\[[ xX✓]?\]\s*$/.test(line) && /^\s*[-*•]?\s*\p{L}/u.test(line);
}

/** Whether a box ends at this bracket: `[ ]`, `[x]`. */
export function isBox(tokens: readonly Token[], i: number): boolean {
  if (tokens[i - 1]?.text === '[') return true;
  return tokens[i - 2]?.text === '[' && /^[xX✓]$/.test(tokens[i - 1]!.text);
}

/** `( )` or `(x)`: a box only where its line begins with one. */
export function isRoundBox(tokens: readonly Token[], i: number): boolean {
  if (tokens[i]!.text !== '(') return false;
  const next = tokens[i + 1]?.text;
  return next === ')' || (/^[xX✓]$/.test(next ?? '') && tokens[i + 2]?.text === ')');
}
