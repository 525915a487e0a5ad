import type { Resource } from '../core/resource.js';
import type { BulkExport } from '../tasks/bulk-exports.js';
import { type FhirRequest, type FhirResponse, httpDate } from './exchange.js';

export const parametersOf = (parameter: object[]): Resource => ({ resourceType: 'Parameters', parameter });

/** The manifest of a finished `$viewdefinition-export`: Parameters, a part `output` for each table. */
export function viewExportManifest(
  { base }: FhirRequest,
  { job, request, result, expires }: BulkExport,
): FhirResponse {
  const started = job.startedAt ?? job.createdAt;
  const ended = job.endedAt ?? started;
  const tracking = request.views?.trackingId;
  return {
    status: 200,
    resource: parametersOf([
      { name: 'exportId', valueString: job.id },
      ...(tracking === undefined ? [] : [{ name: 'clientTrackingId', valueString: tracking }]),
      { name: 'status', valueCode: 'completed' },
      { name: 'location', valueUri: `${base}/$export-status/${job.id}` },
      { name: '_format', valueCode: request.views!.format },
      { name: 'exportStartTime', valueInstant: new Date(started).toISOString() },
      { name: 'exportEndTime', valueInstant: new Date(ended).toISOString() },
      { name: 'exportDuration', valueInteger: Math.round((ended - started) / 1000) },
      ...(result?.files ?? [])
        .filter(({ kind }) => kind === 'report' || kind === 'deidentification')
        .map(({ kind, name }) => ({
          name: kind === 'report' ? 'qualityReport' : 'deidentificationReport',
          valueUri: `${base}/$export-file/${job.id}/${name}`,
        })),
      ...(result?.files ?? [])
        .filter(({ kind }) => kind === 'output')
        .map((file) => ({
          name: 'output',
          part: [
            { name: 'name', valueString: file.type },
            { name: 'location', valueUri: `${base}/$export-file/${job.id}/${file.name}` },
            { name: 'rows', valueInteger: file.count },
          ],
        })),
    ]),
    ...(expires === undefined ? {} : { headers: { Expires: httpDate(expires) } }),
  };
}
