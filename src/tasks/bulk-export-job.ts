import type { Resource } from '../core/resource.js';
import type { ViewFormat } from '../export/view-table.js';
import type { AccessGrant } from '../search/visibility.js';
import type { Actor } from '../store/contract.js';

/** What one kick-off asked for; the sealed parameters of its job. */
export interface BulkExportRequest {
  readonly level: 'system' | 'patient' | 'group';
  /** Id of the Group, of a group's export. */
  readonly group?: string;
  /** Only these patients. */
  readonly patients?: readonly string[];
  /** Types given: asked for, and permitted. */
  readonly types: readonly string[];
  /** ms; updated at or after, and at or before. */
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Searches: what a type that stands here gives must match one of its searches. */
  readonly filters: readonly {
    readonly type: string;
    readonly params: readonly (readonly [string, string])[];
  }[];
  /** Look over what is given, and write a report beside it. */
  readonly report?: boolean;
  /** Take out what says who. */
  readonly deidentify?: boolean;
  /** Output is blocks, one for each patient, rather than files of one type each. */
  readonly byPatient?: boolean;
  /** Root elements, `Type.element` or `element`; all where empty. */
  readonly elements: readonly string[];
  /** Provenance by the rows given rather than by compartment. */
  readonly provenance?: 'latest' | 'relevant';
  /** FHIR base as the client knows it, for links in what is given. */
  readonly base: string;
  /** The address that was asked, for the manifest. */
  readonly url: string;
  /** Who asked: nobody else may see of it. */
  readonly actor: Pick<Actor, 'id' | 'kind'>;
  /** What who asked may see, where that is not everything: then nothing else is given. */
  readonly grants?: readonly AccessGrant[];
  readonly views?: ViewsRequest;
  /** What was ignored of the request, for the error file. */
  readonly notices: readonly string[];
}

/** Tables by views instead of resources (`$viewdefinition-export`). */
export interface ViewsRequest {
  readonly format: ViewFormat;
  readonly noHeader?: boolean;
  /** Each its file, named so. */
  readonly items: readonly { readonly name: string; readonly definition: Resource }[];
  /** Of the client, told back to it. */
  readonly trackingId?: string;
}

/** One finished file. */
export interface BulkFile {
  readonly kind: 'output' | 'deleted' | 'error' | 'report' | 'deidentification';
  readonly type: string;
  readonly name: string;
  /** Lines. */
  readonly count: number;
}

/** What a finished export is; the sealed result of its job. */
export interface BulkExportResult {
  /** Instant, ms: all that was written up to here is in it. */
  readonly transactionTime: number;
  /** Attempt whose folder holds the files. */
  readonly epoch: number;
  readonly files: readonly BulkFile[];
}

/** Files are kept this long after the export ended, in ms. */
export const BULK_KEPT_MS = 24 * 3600_000;
