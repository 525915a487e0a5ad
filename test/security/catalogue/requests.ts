/** Bodies and requests that several rows of the catalogue send. */

/** Parameters that hand a ViewDefinition over. */
export const viewParameters = (view: Readonly<Record<string, unknown>>) => ({
  resourceType: 'Parameters',
  parameter: [{ name: 'viewResource', resource: patientView(view) }],
});

/** A ViewDefinition of Patients named `x`, with what is given besides or instead. */
export const patientView = (view: Readonly<Record<string, unknown>>) => ({
  resourceType: 'ViewDefinition',
  status: 'active',
  resource: 'Patient',
  name: 'x',
  ...view,
});

/** A note of the patient whom the callers may see. */
export const noteOfMine = (attachment: Readonly<Record<string, unknown>>) => ({
  resourceType: 'DocumentReference',
  status: 'current',
  subject: { reference: 'Patient/mine' },
  content: [{ attachment: { contentType: 'text/plain', ...attachment } }],
});
