import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../core/package-root.js';
import type { Resource } from '../core/resource.js';

let views: Map<string, Resource & { id: string; url: string }> | undefined;

/** The ViewDefinitions that come with the program (`fhir-profiles/views`), by id. */
export function readyViews(): ReadonlyMap<string, Resource & { id: string; url: string }> {
  if (!views) {
    const folder = join(packageRoot(), 'fhir-profiles', 'views');
    views = new Map();
    for (const file of readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .sort()) {
      const view = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Resource & {
        id: string;
        url: string;
      };
      views.set(view.id, view);
    }
  }
  return views;
}
