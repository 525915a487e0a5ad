const UNITS = ['bytes', 'kB', 'MB', 'GB', 'TB'] as const;

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export const countText = (n: number): string => n.toLocaleString('en-US');

/** `1 patient`, `7 patients`, `1,200 patients`; `many` where an s does not do. */
export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${countText(n)} ${plural(n, one, many)}`;

/** The word alone. */
export const plural = (n: number, one: string, many = `${one}s`): string => (n === 1 ? one : many);

export const percentText = (share: number): string => `${Math.round(share * 100)} %`;

/** `2026-11-23 14:05`, in the reader's own time zone; clinical readers sort by it. */
export function whenText(instant: string | undefined): string {
  if (!instant) return '';
  const at = new Date(instant);
  if (Number.isNaN(at.getTime())) return instant;
  const two = (n: number) => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

export function durationText(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(1)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** How long ago, in the largest unit that fits. */
export function agoText(instant: string, now = Date.now()): string {
  const seconds = Math.max(0, (now - new Date(instant).getTime()) / 1000);
  if (seconds < 60) return 'under a minute';
  return durationText(seconds);
}
