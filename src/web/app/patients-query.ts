const PAGE = 30;

/** Dates are birth dates, what has digits is an identifier, every other word part of a name; all must hold. */
export function queryOf(text: string): string {
  const query = new URLSearchParams();
  for (const word of text.trim().split(/\s+/).filter(Boolean)) {
    const by = /^\d{4}(-\d{2}){0,2}$/.test(word) ? 'birthdate' : /\d/.test(word) ? 'identifier' : 'name';
    // A comma would mean "or", as in "Holloway, Margaret".
    const value = word.replace(/,+$/, '').replace(/([\\$,|])/g, by === 'identifier' ? '$1' : '\\$1');
    if (value) query.append(by, value);
  }
  query.append('_count', String(PAGE));
  query.append('_total', 'accurate');
  return `Patient?${query}`;
}
