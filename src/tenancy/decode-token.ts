import jwt from 'jsonwebtoken';

/** What a JWT says before anybody has checked it: good for choosing how to check, and for nothing else. */
export interface UncheckedToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Undefined for what is no JWT with two JSON objects, of part of which the library throws. */
export function decodeToken(token: string): UncheckedToken | undefined {
  let decoded: jwt.Jwt | null;
  try {
    decoded = jwt.decode(token, { complete: true });
  } catch {
    return undefined;
  }
  const header: unknown = decoded?.header;
  const payload: unknown = decoded?.payload;
  return isObject(header) && isObject(payload) ? { header, payload } : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
