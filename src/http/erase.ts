import { Fault, invalid } from '../core/fault.js';
import type { Store } from '../store/contract.js';
import { type Handler, segment } from './exchange.js';
import { operationParams } from './operation-input.js';
import type { Route } from './router.js';

const MAX_REASON_CHARS = 500;

/** A record of 40,000 resources takes 9 s: this is enough for one of a million. */
const TIMEOUT_MS = 600_000;

/**
 * `$erase` removes a resource with every version for good, and of a Patient the whole compartment, where DELETE keeps
 * the history. It asks for the right to delete every type, for a reason, which the audit trail keeps, and for
 * `confirm=true`.
 */
export function eraseRoute(store: Store): Route {
  const handle: Handler = async (request) => {
    const given = new Map(
      request.headers['content-type'] === undefined ? request.params : await operationParams(request),
    );
    const reason = given.get('reason')?.trim() ?? '';
    if (reason === '' || reason.length > MAX_REASON_CHARS) {
      throw invalid(
        `An erasure needs a reason of at most ${MAX_REASON_CHARS} characters.`,
        'reason',
        'Say why, without names or findings: the audit trail keeps it.',
      );
    }
    if (given.get('confirm') !== 'true') {
      throw new Fault('precondition', 'Nothing was erased: it cannot be undone and was not confirmed.', {
        at: 'confirm',
        remedy: 'Send confirm=true.',
        issueCode: 'required',
      });
    }
    const [type, id] = [segment(request, 'type'), segment(request, 'id')];
    const erased = await store.erase(
      request.tenant,
      { type, id, compartment: type === 'Patient', reason },
      request.actor,
    );
    return {
      status: 200,
      resource: {
        resourceType: 'Parameters',
        parameter: (['resources', 'versions', 'keysDestroyed', 'referring'] as const).map((name) => ({
          name,
          valueInteger: erased[name],
        })),
      },
    };
  };
  return {
    method: 'POST',
    path: ':type/:id/$erase',
    claim: {
      kind: 'operation',
      name: 'erase',
      definition: 'https://cenote.health/fhir/OperationDefinition/resource-erase',
    },
    needs: { all: 'd' },
    timeoutMs: TIMEOUT_MS,
    handle,
  };
}
