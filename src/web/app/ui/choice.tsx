import type { ComponentChildren, JSX } from 'preact';

/** Buttons that belong together, with a name for who does not see that they do. */
export function Choice({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <fieldset class="choice">
      <legend class="sr">{label}</legend>
      {children}
    </fieldset>
  );
}
