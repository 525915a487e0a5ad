import { invalid } from '../../core/fault.js';
import { readXml } from '../xml.js';

/** An XML element. Names are without prefix: C-CDA uses one namespace and HL7's own extension of it (sdtc). */
export class Element {
  readonly children: (Element | string)[] = [];

  constructor(
    readonly name: string,
    readonly attributes: Readonly<Record<string, string>>,
  ) {}

  get(attribute: string): string | undefined {
    const value = this.attributes[attribute]?.trim();
    return value === '' ? undefined : value;
  }

  /** Child elements of a name. */
  all(name: string): Element[] {
    return this.children.filter((child) => typeof child !== 'string' && child.name === name) as Element[];
  }

  elements(): Element[] {
    return this.children.filter((child) => typeof child !== 'string') as Element[];
  }

  /** The first element at a path of names. */
  at(...path: readonly string[]): Element | undefined {
    let here: Element | undefined = this;
    for (const name of path) {
      here = here?.children.find((child) => typeof child !== 'string' && child.name === name) as
        | Element
        | undefined;
    }
    return here;
  }

  /** All words inside, blanks as one. */
  text(): string {
    const parts: string[] = [];
    const collect = (element: Element): void => {
      for (const child of element.children) {
        if (typeof child === 'string') parts.push(child);
        else collect(child);
      }
    };
    collect(this);
    return parts.join('').replace(/\s+/g, ' ').trim();
  }

  /** Whether it says that it follows a template, of any version. */
  follows(template: string): boolean {
    return this.all('templateId').some((id) => id.get('root') === template);
  }

  /** `nullFlavor`: why there is no value. */
  get absent(): string | undefined {
    return this.get('nullFlavor');
  }
}

/** Reads XML to a tree. @throws Fault `invalid` where it is not well-formed or has a document type */
export function parseXml(source: string): Element {
  const top = new Element('', {});
  const open: Element[] = [top];
  readXml(source, {
    open(name, attributes) {
      const element = new Element(name, attributes);
      open.at(-1)!.children.push(element);
      open.push(element);
    },
    text(text) {
      open.at(-1)!.children.push(text);
    },
    close() {
      open.pop();
    },
  });
  const [root] = top.elements();
  if (!root) throw invalid('the XML has no element');
  return root;
}
