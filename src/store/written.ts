import type { Resource } from '../core/resource.js';
import { storedResource } from './content.js';
import type { WriteResult } from './contract.js';
import type { Decision } from './decide.js';

/** The answer to one write; the stored resource is only put together when it is asked for. */
export class Written implements WriteResult {
  readonly outcome: WriteResult['outcome'];
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly lastUpdated: number;
  readonly former: boolean;
  readonly #resource: Resource | undefined;

  constructor({ write, outcome, version, lastUpdated, former = false }: Decision) {
    this.outcome = outcome;
    this.type = write.type;
    this.id = write.id;
    this.version = version;
    this.lastUpdated = lastUpdated;
    this.former = former;
    this.#resource = outcome === 'unchanged' ? undefined : write.body?.resource;
  }

  get resource(): WriteResult['resource'] {
    return this.#resource && storedResource(this, this.#resource);
  }
}
