import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import type { Resource } from '../../src/core/resource.js';
import { checkResource } from '../../src/fhir/check.js';

/** The definitions under fhir-profiles/ hold for the examples beside them, which the mapping made. */
const ROOT = join(packageRoot(), 'fhir-profiles');
const load = (folder: string) =>
  readdirSync(join(ROOT, folder)).map(
    (file) => [file, JSON.parse(readFileSync(join(ROOT, folder, file), 'utf8'))] as const,
  );

interface ElementDefinition {
  path: string;
  sliceName?: string;
  min?: number;
  max?: string;
  type?: { code: string; profile?: string[] }[];
}
interface Definition extends Resource {
  url: string;
  type: string;
  differential: { element: ElementDefinition[] };
}

const profiles = load('profiles') as unknown as [string, Definition][];
const extensions = new Set((load('extensions') as unknown as [string, Definition][]).map(([, d]) => d.url));

/** Values at a path such as `Condition.code.text`; `[x]` matches any type. */
function valuesAt(resource: Resource, path: string): unknown[] {
  let values: unknown[] = [resource];
  for (const name of path.split('.').slice(1)) {
    values = values.flatMap((value) => {
      const object = value as Record<string, unknown>;
      const names = name.endsWith('[x]')
        ? Object.keys(object).filter((k) => k.startsWith(name.slice(0, -3)))
        : [name];
      return names.flatMap((n) => object[n] ?? []);
    });
  }
  return values;
}

describe.each(profiles)('profile %s', (file, profile) => {
  const example = JSON.parse(readFileSync(join(ROOT, 'examples', file), 'utf8')) as Resource;

  it('has an example that is valid R4 and claims the profile', () => {
    expect(() => checkResource(example)).not.toThrow();
    expect(example.resourceType).toBe(profile.type);
    expect(example.meta?.profile).toContain(profile.url);
  });

  it('holds for its example: every required element and extension is there', () => {
    for (const element of profile.differential.element) {
      if (element.path === profile.type || !element.min) continue;
      const extension = element.type?.[0]?.profile?.[0];
      const found = extension
        ? (example.extension as { url: string }[]).filter((e) => e.url === extension)
        : valuesAt(example, element.path);
      expect(found.length, element.path + (element.sliceName ?? '')).toBeGreaterThanOrEqual(element.min);
      if (element.max && element.max !== '*')
        expect(found.length, element.path).toBeLessThanOrEqual(Number(element.max));
    }
  });

  it('names only extensions that are defined here', () => {
    const used = (example.extension as { url: string }[]).map((e) => e.url);
    for (const url of used) expect(extensions, url).toContain(url);
  });
});

describe('every definition', () => {
  it.each(['profiles', 'extensions', 'code-systems', 'operations'].flatMap((folder) => load(folder)))(
    '%s is valid R4 under our canonical base',
    (file, definition) => {
      expect(() => checkResource(definition)).not.toThrow();
      expect((definition as { url: string }).url).toBe(
        `https://cenote.health/fhir/${definition.resourceType}/${file.replace(/\.json$/, '')}`,
      );
    },
  );

  it('of a profile has an example of the same name', () => {
    for (const [file] of profiles) expect(existsSync(join(ROOT, 'examples', file)), file).toBe(true);
  });
});
