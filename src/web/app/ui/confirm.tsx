import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Failure } from '../load.js';

interface Props {
  readonly title: string;
  /** What the button that does it says. */
  readonly verb: string;
  /** What has to be typed before it can be done; for what is not easily undone. */
  readonly typed?: string | undefined;
  readonly children: ComponentChildren;
  readonly act: () => Promise<unknown>;
  /** Called after it was done, and where the person thought better of it. */
  readonly onClose: (done: boolean) => void;
}

/** Asks once more, in a dialog of the browser's own: it holds the focus, and Escape closes it. */
export function Confirm({ title, verb, typed, children, act, onClose }: Props): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const [word, setWord] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current?.showModal();
    return () => (before as HTMLElement | null)?.focus?.();
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    try {
      await act();
      onClose(true);
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <dialog
      ref={dialog}
      class="confirm"
      aria-labelledby="confirm-title"
      onCancel={(event) => {
        event.preventDefault();
        if (!busy) onClose(false);
      }}
    >
      <form onSubmit={submit}>
        <h2 id="confirm-title">{title}</h2>
        {children}
        {typed !== undefined && (
          <label class="field">
            Type {typed} to go on
            <input
              value={word}
              autocomplete="off"
              autocapitalize="none"
              spellcheck={false}
              onInput={(e) => setWord(e.currentTarget.value)}
            />
          </label>
        )}
        {problem && <Failure message={problem} />}
        <p class="buttons">
          <button type="button" onClick={() => onClose(false)} disabled={busy}>
            Leave it
          </button>
          <button type="submit" class="danger" disabled={busy || (typed !== undefined && word !== typed)}>
            {busy ? 'Working…' : verb}
          </button>
        </p>
      </form>
    </dialog>
  );
}
