import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** Who leaves a signed-in page alone for this long is signed out, in ms; the last minute is announced. */
export const IDLE_MS = 15 * 60_000;
const WARNING_MS = 60_000;
const SIGNS = ['pointerdown', 'keydown', 'wheel', 'touchstart'] as const;

/** Watches for want of use while `active`, warns, and signs out. */
export function IdleWatch({
  active,
  onSignOut,
}: {
  readonly active: boolean;
  readonly onSignOut: () => void;
}): JSX.Element | null {
  const last = useRef(Date.now());
  const [left, setLeft] = useState<number>();
  useEffect(() => {
    if (!active) return;
    last.current = Date.now();
    const used = () => {
      last.current = Date.now();
      setLeft(undefined);
    };
    // A clock is compared rather than a timer trusted: a sleeping computer's timers stand still.
    const look = () => {
      const rest = IDLE_MS - (Date.now() - last.current);
      if (rest <= 0) onSignOut();
      else setLeft(rest <= WARNING_MS ? Math.ceil(rest / 1000) : undefined);
    };
    for (const sign of SIGNS) addEventListener(sign, used, { passive: true });
    document.addEventListener('visibilitychange', look);
    const timer = setInterval(look, 1_000);
    return () => {
      for (const sign of SIGNS) removeEventListener(sign, used);
      document.removeEventListener('visibilitychange', look);
      clearInterval(timer);
      setLeft(undefined);
    };
  }, [active, onSignOut]);
  if (!active || left === undefined) return null;
  return (
    <div class="banner warning" role="alert">
      <span>
        You will be signed out in a minute for want of use
        <span aria-hidden="true"> ({left} s)</span>.
      </span>
      <button type="button">Stay signed in</button>
    </div>
  );
}
