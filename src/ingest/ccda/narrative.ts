import { TextFlow } from '../mapped-text.js';
import type { Element } from './element.js';

/** Sections within sections. */
const MAX_SECTION_DEPTH = 20;

/** Every section of a document, parents before their parts. */
export function sectionsOf(document: Element): Element[] {
  const out: Element[] = [];
  const walk = (parent: Element, depth: number): void => {
    if (depth > MAX_SECTION_DEPTH) return;
    for (const component of parent.all('component')) {
      for (const section of component.all('section')) {
        out.push(section);
        walk(section, depth + 1);
      }
    }
  };
  const body = document.at('component', 'structuredBody');
  if (body) walk(body, 0);
  return out;
}

/** The words of a document as its author wrote them: each section under its title. */
export function narrative(document: Element): string {
  const parts = sectionsOf(document).flatMap((section) => {
    const text = section.at('text');
    const words = text ? blockText(text) : '';
    const title = section.at('title')?.text() ?? '';
    if (words === '' && title === '') return [];
    return [`${title && !/[:.]$/.test(title) ? `${title}:` : title}\n${words}`.trim()];
  });
  return parts.join('\n\n');
}

/** A narrative block (CDA R2, 4.3.5): paragraphs, lists and tables, cells set apart by tabs. */
function blockText(block: Element): string {
  const flow = new TextFlow();
  const write = (element: Element): void => {
    for (const child of element.children) {
      if (typeof child === 'string') {
        flow.words(child, 0, 0);
        continue;
      }
      switch (child.name) {
        case 'br':
          flow.hardLine();
          break;
        case 'td':
        case 'th':
          flow.cell();
          write(child);
          break;
        case 'item':
          flow.line();
          flow.words('- ', 0, 0);
          write(child);
          flow.line();
          break;
        case 'paragraph':
        case 'tr':
        case 'caption':
        case 'thead':
        case 'tbody':
        case 'footnote':
          flow.line();
          write(child);
          flow.line();
          break;
        case 'table':
        case 'list':
          flow.line(true);
          write(child);
          flow.line(true);
          break;
        case 'renderMultiMedia':
          break;
        default:
          write(child);
      }
    }
  };
  write(block);
  return flow.mapped.toString();
}

/** Words of the narrative by the ID they carry, for entries that point to them. */
export function wordsById(document: Element): Map<string, string> {
  const out = new Map<string, string>();
  const collect = (element: Element): void => {
    const id = element.get('ID');
    if (id && !out.has(id)) out.set(id, blockText(element).replace(/\s+/g, ' ').trim());
    for (const child of element.elements()) collect(child);
  };
  for (const section of sectionsOf(document)) {
    const text = section.at('text');
    if (text) collect(text);
  }
  return out;
}
