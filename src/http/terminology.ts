import type { Handler } from './exchange.js';
import type { Route } from './router.js';
import { lookup, subsumes, validateInSystem } from './terminology-code-system.js';
import type { TerminologyDeps } from './terminology-common.js';
import { translate } from './terminology-concept-map.js';
import { expand, validateInSet } from './terminology-value-set.js';

/** The terminology operations of R4, each by GET and by POST. */
export function terminologyRoutes(deps: TerminologyDeps): Route[] {
  const routes: Route[] = [];
  const add = (type: string, name: string, handle: Handler, instance = true) => {
    const claim = {
      kind: 'operation',
      name,
      definition: `http://hl7.org/fhir/OperationDefinition/${type}-${name}`,
      type,
    } as const;
    for (const method of ['GET', 'POST'] as const) {
      routes.push({ method, path: `${type}/$${name}`, claim, needs: 'r', handle });
      if (instance) routes.push({ method, path: `${type}/:id/$${name}`, claim, needs: 'r', handle });
    }
  };
  add('CodeSystem', 'lookup', lookup(deps), false);
  add('CodeSystem', 'validate-code', validateInSystem(deps));
  add('CodeSystem', 'subsumes', subsumes(deps));
  add('ValueSet', 'expand', expand(deps));
  add('ValueSet', 'validate-code', validateInSet(deps));
  add('ConceptMap', 'translate', translate(deps));
  return routes;
}
