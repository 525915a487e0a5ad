import { termText } from '../core/blind.js';
import { uuidV5 } from '../core/ids.js';
import { Decimal } from '../core/json.js';

const ID_NAMESPACE = '7c1d8f52-0f2c-4d5e-8c7a-5b0c0a6c1f0e';

/** The id of what is known by these words: the same words give the same id in every message and every run. */
export function idOf(type: string, ...key: string[]): string {
  return uuidV5(ID_NAMESPACE, termText(type, ...key));
}

/** What a message says of itself that its fields are read by. */
export interface Sender {
  /** Who assigns identifiers that name no authority: MSH-4, else MSH-3. */
  readonly facility: string;
  /** Offset of MSH-7, such as `+02:00`; undefined where it has none. */
  readonly zone: string | undefined;
}

const TIMESTAMP =
  /^(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(\.\d{1,4})?)?)?)?)?)?([+-]\d{4})?$/;

/** TS, DT, DTM as a FHIR date or dateTime. A time without an offset, its own or the message's, is left off. */
export function dateTime(text: string | undefined, sender: Sender): string | undefined {
  const match = TIMESTAMP.exec(text ?? '');
  if (!match) return undefined;
  const [, y, m, d, h, min = '00', s = '00', fraction = '', zone] = match;
  if (!m || m === '00') return y === '0000' ? undefined : y;
  if (!d || d === '00') return Number(m) > 12 ? undefined : `${y}-${m}`;
  const day = `${y}-${m}-${d}`;
  const checked = new Date(`${day}T00:00:00Z`);
  if (Number.isNaN(checked.getTime()) || checked.toISOString().slice(0, 10) !== day) return undefined;
  const offset = zone ? `${zone.slice(0, 3)}:${zone.slice(3)}` : sender.zone;
  if (!h || !offset || Number(h) > 23 || Number(min) > 59 || Number(s) > 59) return day;
  if (offset !== 'Z' && (Math.abs(Number(offset.slice(0, 3))) > 14 || Number(offset.slice(4)) > 59))
    return day;
  return `${day}T${h}:${min}:${s}${fraction}${offset}`;
}

export function date(text: string | undefined, sender: Sender): string | undefined {
  return dateTime(text, sender)?.slice(0, 10);
}

/** A dateTime that is exact to the second, as `instant` asks. */
export function instant(text: string | undefined, sender: Sender): string | undefined {
  const value = dateTime(text, sender);
  return value?.includes('T') ? value : undefined;
}

/** A number with the digits it came with; undefined where the text is none. */
export function decimal(text: string | undefined): number | undefined {
  const digits = text
    ?.trim()
    .replace(/^\+/, '')
    .replace(/^(-?)\./, '$10.')
    .replace(/\.$/, '')
    .replace(/^(-?)0+(?=\d)/, '$1');
  if (!digits || digits.length > 40 || !/^-?\d+(\.\d+)?([eE][+-]?\d{1,3})?$/.test(digits)) return undefined;
  const number = Number(digits);
  // A Decimal stands where a number does and keeps its digits; see core/json.
  return String(number) === digits ? number : (new Decimal(digits) as unknown as number);
}
