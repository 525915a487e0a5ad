import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** Says when the computer has no network; what is on the screen stays. */
export function NetworkBanner(): JSX.Element | null {
  const [online, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = () => setOnline(navigator.onLine);
    addEventListener('online', look);
    addEventListener('offline', look);
    return () => {
      removeEventListener('online', look);
      removeEventListener('offline', look);
    };
  }, []);
  if (online) return null;
  return (
    <div class="banner" role="status">
      This computer is offline. What is shown may be out of date.
    </div>
  );
}
