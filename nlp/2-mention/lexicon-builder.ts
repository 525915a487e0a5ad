import type { MentionType } from '../model.js';
import {
  ENTRY_TYPES,
  FLAG,
  type LexiconConcept,
  type LexiconContent,
  type LexiconEntry,
  type LexiconTables,
  SYSTEMS,
} from './lexicon-file.js';
import { lexiconWords } from './lexicon-words.js';

/** Collects names and concepts of any source into the content of one lexicon. */
export interface LexiconBuilder {
  /** Adds or finds a concept; `parts` are numbers that this method returned. The first display wins. */
  concept(system: string, code: string, display: string, kind?: string, parts?: readonly number[]): number;
  /** Number of a concept that was added before. */
  findConcept(system: string, code: string): number | undefined;
  /**
   * Adds a phrase. Called again with the same words and type it appends the concepts, so sources come in the
   * order of trust. Phrases of no use (empty, too long, refused) are left out.
   */
  phrase(phrase: string, type: MentionType, flags: number, concepts: readonly number[]): void;
  /** Concepts of a phrase added before, by type; for aliases. */
  meaning(phrase: string, type?: MentionType): { type: MentionType; concepts: readonly number[] } | undefined;
  /** Takes over all that another lexicon has, before or after other sources. */
  include(tables: LexiconTables): void;
  content(): LexiconContent;
}

export interface LexiconBuilderOptions {
  readonly ordinaryWords?: readonly string[];
  /** Phrases that are ordinary words too: they get the flag `needsContext`. */
  readonly needsContext?: readonly string[];
  /** Phrases that no source may add. */
  readonly refused?: readonly string[];
}

const MAX_WORDS = 36;
const MAX_CONCEPTS_PER_SYSTEM = 3;

interface Draft {
  words: string[];
  type: MentionType;
  flags: number;
  concepts: number[];
}

export function createLexiconBuilder(options: LexiconBuilderOptions = {}): LexiconBuilder {
  const concepts: LexiconConcept[] = [];
  const conceptNumber = new Map<string, number>();
  const drafts = new Map<string, Draft>();
  const keyOf = (phrase: string): string => lexiconWords(phrase).join(' ');
  const needsContext = new Set((options.needsContext ?? []).map(keyOf));
  const refused = new Set((options.refused ?? []).map(keyOf));

  return {
    concept(system, code, display, kind = '', parts = []) {
      const key = `${system}|${code}`;
      const known = conceptNumber.get(key);
      if (known !== undefined) {
        // Our own rows come first and know no parts; the source that does adds them.
        if (parts.length > 0 && concepts[known]!.parts.length === 0)
          concepts[known] = { ...concepts[known]!, parts };
        return known;
      }
      const systemNumber = (SYSTEMS as readonly string[]).indexOf(system);
      if (systemNumber < 0) throw new Error(`unknown code system ${system}`);
      const number = concepts.length;
      concepts.push({ system: systemNumber, code, kind, display: display.replace(/[\t\n]/g, ' '), parts });
      conceptNumber.set(key, number);
      return number;
    },
    findConcept: (system, code) => conceptNumber.get(`${system}|${code}`),
    phrase(phrase, type, flags, ids) {
      const words = lexiconWords(phrase);
      if (words.length === 0 || words.length > MAX_WORDS) return;
      if (
        words.length === 1 &&
        (words[0]!.length < 2 || /^\W+$/.test(words[0]!)) &&
        (flags & FLAG.cased) === 0
      )
        return;
      // A phrase never begins or ends with a mark: the spans of mentions would.
      if (/^[^\w[({<]+$/.test(words[0]!)) return;
      const joined = words.join(' ');
      if (refused.has(joined)) return;
      const key = `${joined}|${type}`;
      let draft = drafts.get(key);
      if (draft === undefined) {
        draft = { words, type, flags, concepts: [] };
        drafts.set(key, draft);
      } else {
        // What one source calls capitals only or doubtful, another may not make certain.
        draft.flags |= flags & ~(FLAG.cased | FLAG.abbreviation);
      }
      if (needsContext.has(joined)) draft.flags |= FLAG.needsContext;
      for (const id of ids) {
        if (draft.concepts.includes(id)) continue;
        const same = draft.concepts.filter(
          (other) => concepts[other]!.system === concepts[id]!.system,
        ).length;
        if (same < MAX_CONCEPTS_PER_SYSTEM) draft.concepts.push(id);
      }
    },
    meaning(phrase, type) {
      const key = keyOf(phrase);
      const types: readonly MentionType[] = type
        ? [type]
        : [
            'diagnosis',
            'symptom',
            'procedure',
            'medication',
            'test',
            'vital-sign',
            'vaccine',
            'device',
            'social',
            'allergen',
          ];
      for (const candidate of types) {
        const draft = drafts.get(`${key}|${candidate}`);
        if (draft) return { type: candidate, concepts: draft.concepts };
      }
      return undefined;
    },
    include(tables) {
      const renumbered: number[] = [];
      for (let id = 0; id < tables.conceptCount; id++) {
        const concept = tables.concept(id);
        renumbered.push(this.concept(SYSTEMS[concept.system]!, concept.code, concept.display, concept.kind));
      }
      for (let id = 0; id < tables.conceptCount; id++) {
        const { system, code, display, kind, parts } = tables.concept(id);
        if (parts.length > 0)
          this.concept(
            SYSTEMS[system]!,
            code,
            display,
            kind,
            parts.map((part) => renumbered[part]!),
          );
      }
      for (let entry = 0; entry < tables.types.length; entry++) {
        const words = Array.from(
          tables.tokens.subarray(tables.tokenStart[entry]!, tables.tokenStart[entry + 1]!),
          (word) => tables.words[word]!,
        );
        const type = ENTRY_TYPES[tables.types[entry]!]!;
        const key = `${words.join(' ')}|${type}`;
        const ids = Array.from(
          tables.conceptIds.subarray(tables.conceptStart[entry]!, tables.conceptStart[entry + 1]!),
          (id) => renumbered[id]!,
        );
        const known = drafts.get(key);
        if (known) known.concepts.push(...ids.filter((id) => !known.concepts.includes(id)));
        else drafts.set(key, { words, type, flags: tables.flags[entry]!, concepts: ids });
      }
    },
    content(): LexiconContent {
      // By system and code, so that a reader finds a code, and the codes below it, by bisection.
      const order = concepts.map((_concept, id) => id);
      order.sort(
        (a, b) =>
          concepts[a]!.system - concepts[b]!.system || (concepts[a]!.code < concepts[b]!.code ? -1 : 1),
      );
      const place = new Int32Array(concepts.length);
      order.forEach((id, at) => {
        place[id] = at;
      });
      const entries: LexiconEntry[] = [...drafts.values()].map((draft) => ({
        ...draft,
        concepts: draft.concepts.map((id) => place[id]!),
      }));
      const sorted = order.map((id) => ({
        ...concepts[id]!,
        parts: concepts[id]!.parts.map((part) => place[part]!),
      }));
      return { concepts: sorted, entries, ordinaryWords: options.ordinaryWords ?? [] };
    },
  };
}
