import type { JSX } from 'preact';
import { Scroll } from './scroll.js';

/** A value as JSON, to be read and copied. */
export function Json({ value, label }: { readonly value: unknown; readonly label: string }): JSX.Element {
  return (
    <Scroll label={label}>
      <pre class="json">{JSON.stringify(value, null, 2)}</pre>
    </Scroll>
  );
}
