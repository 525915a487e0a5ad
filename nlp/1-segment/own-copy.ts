/** The same letters in memory of their own: a part of a note's text, kept as a key, would keep the whole note. */
export function ownCopy(text: string): string {
  for (let at = 0; at < text.length; at++)
    if (text.charCodeAt(at) > 255) return Buffer.from(text, 'utf16le').toString('utf16le');
  // A byte a letter, as the engine keeps such text itself.
  return Buffer.from(text, 'latin1').toString('latin1');
}
