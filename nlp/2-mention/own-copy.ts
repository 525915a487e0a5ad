/** The same letters in memory of their own: a part of a note's text, kept as a key, would keep the whole note. */
export function ownCopy(text: string): string {
  return Buffer.from(text, 'utf16le').toString('utf16le');
}
