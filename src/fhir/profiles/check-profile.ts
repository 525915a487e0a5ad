import { Fault } from '../../core/fault.js';
import { MAX_JSON_DEPTH } from '../../core/json.js';
import type { Resource } from '../../core/resource.js';
import { MAX_FAULTS } from '../check.js';
import { choiceName, typeDefinition } from '../elements.js';
import { referenceTypeOf } from '../paths.js';
import { equals, type Found, inSlice, matchesPattern, type ValueSetMembership } from './slices.js';
import { type Profile, type ProfileNode, profileOf } from './tree.js';

/** Profiles at hand, to check resources against. */
export interface Profiles {
  has(url: string): boolean;
  /** The type a profile is of; undefined for one that is not loaded. */
  typeOf(url: string): string | undefined;
  urls(): readonly string[];
  /**
   * What a resource breaks of a profile, beyond what `validateResource` finds: cardinalities, types, fixed values,
   * patterns, slices, required bindings, the profile's own invariants. Bindings and targets that cannot be decided
   * here are passed over.
   * @throws Fault `not-found` for a profile that is not loaded.
   */
  check(resource: Resource, url: string): Fault[];
}

/**
 * Makes profiles of StructureDefinition resources (with snapshots), such as those of a package. Each is compiled when
 * first used.
 */
export function createProfiles(definitions: readonly Resource[], membership: ValueSetMembership): Profiles {
  const byUrl = new Map<string, Resource>();
  for (const d of definitions) if (typeof d.url === 'string') byUrl.set(d.url, d);
  const compiled = new Map<string, Profile>();
  const profile = (url: string): Profile | undefined => {
    const bare = url.split('|')[0]!;
    let found = compiled.get(bare);
    if (!found) {
      const definition = byUrl.get(bare);
      if (!definition) return undefined;
      found = profileOf(definition);
      compiled.set(bare, found);
    }
    return found;
  };
  const typeOf = (url: string): string | undefined => {
    const type = byUrl.get(url.split('|')[0]!)?.type;
    return typeof type === 'string' ? type : undefined;
  };
  return {
    has: (url) => byUrl.has(url.split('|')[0]!),
    typeOf,
    urls: () => [...byUrl.keys()],
    check(resource, url) {
      const found = profile(url);
      if (!found) {
        throw new Fault('not-found', 'The profile is not loaded here.', {
          at: 'profile',
          remedy: 'Load its package with the command `profiles load`.',
        });
      }
      const check = new ProfileCheck(resource, profile, typeOf, membership);
      check.run(found);
      return check.faults;
    },
  };
}

class ProfileCheck {
  readonly faults: Fault[] = [];
  private readonly resource: Resource;
  private readonly profile: (url: string) => Profile | undefined;
  private readonly typeOfProfile: (url: string) => string | undefined;
  private readonly membership: ValueSetMembership;

  constructor(
    resource: Resource,
    profile: (url: string) => Profile | undefined,
    typeOfProfile: (url: string) => string | undefined,
    membership: ValueSetMembership,
  ) {
    this.resource = resource;
    this.profile = profile;
    this.typeOfProfile = typeOfProfile;
    this.membership = membership;
  }

  run(profile: Profile): void {
    const { resourceType } = this.resource;
    if (resourceType !== profile.type) {
      this.fault(
        'resourceType',
        `The profile is of ${profile.type}`,
        'Validate against a profile of this type.',
      );
      return;
    }
    this.value(profile.root, { value: this.resource, type: resourceType, place: '' }, resourceType, 0);
  }

  private children(node: ProfileNode, holder: object, type: string, at: string, depth: number): void {
    for (const child of node.children) {
      const found = valuesOf(holder as Record<string, unknown>, child, type);
      this.count(child, found.length, `${at}.${child.name}${child.choice ? '[x]' : ''}`);
      for (const f of found) this.value(child, f, `${at}.${f.place}`, depth + 1);
      if (child.slices.length > 0) this.slices(child, found, at, depth);
    }
  }

  private slices(node: ProfileNode, found: readonly Found[], at: string, depth: number): void {
    const taken = new Set<Found>();
    for (const slice of node.slices) {
      const mine = found.filter((f) => inSlice(slice, node.discriminators, f, this.membership));
      for (const f of mine) taken.add(f);
      this.count(slice, mine.length, `${at}.${node.name}${node.choice ? '[x]' : ''}`);
      for (const f of mine) this.value(slice, f, `${at}.${f.place}`, depth + 1);
    }
    if (!node.closed) return;
    for (const f of found) {
      if (!taken.has(f))
        this.fault(`${at}.${f.place}`, 'The profile has no slice for this value', 'Remove it.');
    }
  }

  private count(node: ProfileNode, count: number, at: string): void {
    const what = node.slice === undefined ? 'this element' : `the slice ${node.slice}`;
    if (count < node.min) {
      this.fault(
        at,
        `The profile needs ${what} at least ${node.min} time${node.min === 1 ? '' : 's'}`,
        'Add it.',
      );
    } else if (count > node.max) {
      this.fault(
        at,
        `The profile allows ${what} at most ${node.max} time${node.max === 1 ? '' : 's'}`,
        'Remove some.',
      );
    }
  }

  private value(node: ProfileNode, { value, type }: Found, at: string, depth: number): void {
    if (depth > MAX_JSON_DEPTH || this.faults.length >= MAX_FAULTS) return;
    if (node.choice && node.types.length > 0 && !node.types.some((t) => t.code === type)) {
      this.fault(
        at,
        `The profile allows ${node.types.map((t) => t.code).join(', ')} here`,
        'Use one of these types.',
      );
      return;
    }
    if (node.fixed !== undefined && !equals(node.fixed, value)) {
      this.fault(at, 'The profile fixes another value here', 'Use the value of the profile.');
    }
    if (node.pattern !== undefined && !matchesPattern(node.pattern, value)) {
      this.fault(
        at,
        'The value does not have what the pattern of the profile has',
        'Add the parts of the pattern.',
      );
    }
    if (node.binding?.strength === 'required' && this.membership(node.binding.valueSet, value) === false) {
      this.fault(
        at,
        `This code is not in the required value set ${node.binding.valueSet}`,
        'Use one of its codes.',
        'code-invalid',
      );
    }
    for (const rule of node.rules) {
      if (rule.error && !rule.holds(value, this.resource)) {
        this.fault(
          at,
          `${rule.key}: ${rule.human.replace(/\.$/, '')}`,
          'See the invariant of that name in the profile.',
          'invariant',
        );
      }
    }
    const mine = node.types.find((t) => t.code === type);
    if (type === 'Reference') this.target(mine?.targets ?? [], value, at);
    if (typeof value !== 'object' || value === null) return;
    this.ofType(mine?.profiles ?? [], value, type, at, depth);
    if (node.children.length > 0) this.children(node, value, type, at, depth);
  }

  /** Profiles on the type of an element: an extension's definition, a datatype's profile. One of them must hold. */
  private ofType(urls: readonly string[], value: object, type: string, at: string, depth: number): void {
    const known = urls.map((url) => this.profile(url)).filter((p) => p !== undefined);
    if (known.length === 0 || known.length < urls.length) return;
    let best: Fault[] | undefined;
    for (const profile of known) {
      const check = new ProfileCheck(this.resource, this.profile, this.typeOfProfile, this.membership);
      check.value(profile.root, { value, type, place: '' }, at, depth + 1);
      if (check.faults.length === 0) return;
      if (!best || check.faults.length < best.length) best = check.faults;
    }
    this.faults.push(...best!.slice(0, MAX_FAULTS - this.faults.length));
  }

  /** The type a reference points at is one that the profile's targets have. */
  private target(targets: readonly string[], value: unknown, at: string): void {
    const type = referenceTypeOf(value, this.resource);
    if (type === undefined || targets.length === 0) return;
    const types = targets.map((url) => this.typeOfProfile(url) ?? url.slice(url.lastIndexOf('/') + 1));
    // A target profile that is not loaded says nothing about its type.
    if (types.some((t) => t === type || t === 'Resource' || !typeDefinition(t))) return;
    this.fault(
      at,
      `The profile allows references to ${[...new Set(types)].join(', ')} here`,
      'Refer to one of these types.',
    );
  }

  private fault(at: string, message: string, remedy: string, issueCode = 'structure'): void {
    if (this.faults.length >= MAX_FAULTS) return;
    this.faults.push(new Fault('invalid', `${at}: ${message}.`, { at, remedy, issueCode }));
  }
}

/** The values of a child, in whichever of its types. */
function valuesOf(holder: Record<string, unknown>, child: ProfileNode, type: string): Found[] {
  const definition = typeDefinition(type)?.byName.get(child.name);
  const names: [name: string, type: string][] = child.choice
    ? (definition?.types ?? child.types).map((t) => [choiceName(child.name, t.code), t.code])
    : [[child.name, definition?.types[0]?.code ?? child.types[0]?.code ?? 'Element']];
  return names.flatMap(([name, code]) => {
    const inside = holder[name] ?? (holder[`_${name}`] === undefined ? undefined : { extension: [] });
    if (inside === undefined || inside === null) return [];
    if (!Array.isArray(inside)) return [{ value: inside, type: code, place: name }];
    return inside.map((value, i) => ({ value, type: code, place: `${name}[${i}]` }));
  });
}
