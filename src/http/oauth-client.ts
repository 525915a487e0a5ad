import { Fault } from '../core/fault.js';
import type { Client } from '../tenancy/clients.js';
import type { Authorization } from '../tenancy/clients-authorization.js';
import { type Form, OAuthFault, type OAuthRequest, tokenEndpoint } from './oauth-exchange.js';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const MAX_BASIC_CHARS = 1_000;

/**
 * Which client asks: by its signature, by its secret (HTTP Basic), or, of a public app, by its word alone.
 * @throws OAuthFault `invalid_client`, one text for all reasons
 */
export async function clientOf(
  authorization: Authorization,
  { tenant, origin, http }: OAuthRequest,
  form: Form,
): Promise<Client> {
  const { clients } = authorization;
  const assertion = form.get('client_assertion');
  const basic = http.headers.authorization;
  if (assertion !== undefined) {
    if (basic !== undefined) throw new OAuthFault('invalid_request', 'The client proves itself in two ways.');
    if (form.get('client_assertion_type') !== ASSERTION_TYPE)
      throw new OAuthFault('invalid_request', 'The client_assertion_type is not that of a JWT.');
    try {
      const client = await authorization.authenticate(tenant.record, assertion, [
        tokenEndpoint(origin, tenant.record.name),
      ]);
      const named = form.get('client_id');
      if (named !== undefined && named !== client.id) throw refused('client_id');
      return client;
    } catch (error) {
      if (error instanceof Fault && error.category === 'unauthenticated') throw refused(error.log);
      throw error;
    }
  }
  if (basic !== undefined) {
    const [id, secret] = readBasic(basic);
    const known = await clients.hasSecret(tenant.record, id, secret);
    const client = known ? await clients.find(tenant.record, id) : undefined;
    if (client?.auth !== 'client_secret' || client.revokedAt !== undefined) throw refused('secret');
    return client;
  }
  const id = form.get('client_id');
  const client = id === undefined ? undefined : await clients.find(tenant.record, id);
  if (client?.auth !== 'none' || client.revokedAt !== undefined) throw refused('no proof');
  return client;
}

function readBasic(header: string): [id: string, secret: string] {
  const found = header.length <= MAX_BASIC_CHARS ? /^basic +([A-Za-z0-9+/]+=*)$/i.exec(header) : null;
  const text = found ? Buffer.from(found[1]!, 'base64').toString('utf8') : '';
  const at = text.indexOf(':');
  if (at < 1) throw refused('basic');
  try {
    return [decodeURIComponent(text.slice(0, at)), decodeURIComponent(text.slice(at + 1))];
  } catch {
    throw refused('basic');
  }
}

function refused(log: string | undefined): OAuthFault {
  return new OAuthFault('invalid_client', 'The client could not be authenticated.', log);
}
