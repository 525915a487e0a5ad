import { RESOURCE_TYPES } from '../../../src/fhir/resource-types.js';
import { all, CANARY, type Lab, own, RECORDS, silent, TENANT, total } from './lab.js';
import type { Answer, Row, Trial } from './trial.js';

const HIDDEN = /hidden/;

async function everyType(
  lab: Lab,
  t: Trial,
  name: string,
  path: (type: string) => string,
  right: (a: Answer) => boolean,
): Promise<void> {
  const token = await own(lab);
  const wrong: string[] = [];
  for (const type of RESOURCE_TYPES) {
    const answer = await lab.send({ path: path(type), token });
    if (!right(answer) || !silent(answer)) wrong.push(`${type} ${answer.status}`);
  }
  t.check(`${name} of each of ${RESOURCE_TYPES.length} types`, wrong.length === 0, wrong.slice(0, 5).join());
}

export const AUTHORISATION: readonly Row[] = [
  {
    id: 'S-20',
    title: 'another patient\u2019s record',
    async attack(lab, t) {
      const token = await own(lab);
      const types = Object.keys(RECORDS);
      await everyType(
        lab,
        t,
        'read',
        (type) => `${type}/hidden-1`,
        (a) => a.status === 404 || a.status === 403,
      );
      await everyType(
        lab,
        t,
        'search',
        (type) => `${type}?_count=50`,
        (a) => a.status === 200 || a.status === 403,
      );
      for (const type of types) {
        t.answer(
          `vread ${type}`,
          await lab.send({ path: `${type}/hidden-1/_history/1`, token }),
          (a) => a.status === 404 && silent(a),
        );
        t.answer(
          `history ${type}`,
          await lab.send({ path: `${type}/hidden-1/_history`, token }),
          (a) => a.status === 404 && silent(a),
        );
        t.answer(
          `search ${type} by id`,
          await lab.send({ path: `${type}?_id=hidden-1`, token }),
          (a) => a.status === 200 && total(a) === 0,
        );
        t.answer(`mine of ${type}`, await lab.send({ path: `${type}/mine-1`, token }), [200]);
      }
      const paths = [
        'Patient/hidden',
        'Patient/hidden/$everything',
        'Patient/hidden/$timeline',
        'Patient/hidden/Observation',
        'Patient/hidden/*',
        'Observation?subject=Patient/hidden',
        'Observation?patient=hidden',
        'Observation?subject:Patient=hidden',
        `Patient?name=${CANARY}`,
        'Observation?_include=Observation:subject&_id=hidden-1',
        'Patient?_id=mine&_revinclude=Observation:subject',
        'Patient?_id=hidden&_revinclude=*',
        'Observation/$lastn?patient=hidden&code=4548-4',
        'DocumentReference/hidden-1/$annotation',
        'Patient/hidden/$features',
        'Encounter/hidden-1/$everything',
        'Group/hidden-group',
        'Group/hidden-group/$cohort-features',
        'Patient/hidden/$meta',
        'Observation/hidden-1/$meta',
        '_history',
        'Patient/_history',
        'AuditEvent',
        `?_type=Patient,Observation&_content=${CANARY}`,
        `?_type=Patient&name=${CANARY}`,
      ];
      for (const path of paths)
        t.answer(
          path,
          await lab.send({ path: path.startsWith('?') ? `/fhir/${TENANT}${path}` : path, token }),
          (a) => {
            // Links repeat what the caller itself sent.
            const text = a.text.replace(/"url":"[^"]*"/g, '');
            return a.status < 500 && !text.includes(CANARY) && !(a.status === 200 && HIDDEN.test(text));
          },
        );
      const reads = [
        'Patient/hidden',
        'Observation/hidden-1',
        'Patient?_id=hidden',
        'Patient/hidden/$everything',
      ];
      const entry = reads.map((url) => ({ request: { method: 'GET', url } }));
      t.answer(
        'inside a batch',
        await lab.send({
          method: 'POST',
          path: `/fhir/${TENANT}`,
          token,
          body: { resourceType: 'Bundle', type: 'batch', entry },
        }),
        (a) => silent(a) && a.status < 500,
      );
      t.answer(
        'as if it were not there',
        await lab.send({ path: 'Patient/never-was', token }),
        (a) => a.status === 404,
      );
      const [hidden, absent] = [
        await lab.send({ path: 'Patient/hidden', token }),
        await lab.send({ path: 'Patient/never-was', token }),
      ];
      const told = (a: Answer) => a.text.replace(/hidden|never-was/g, '');
      t.check(
        'hidden and absent read alike',
        told(hidden) === told(absent),
        `${told(hidden)} ${told(absent)}`,
      );
    },
  },
  {
    id: 'S-21',
    title: 'writes across the border',
    async attack(lab, t) {
      const token = await own(lab);
      const observation = (over: object) => ({
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        ...over,
      });
      const send = (method: string, path: string, body: object, headers = {}) =>
        lab.send({ method, path, token, body, headers });
      const mine = { reference: 'Patient/mine' };
      const theirs = { reference: 'Patient/hidden' };
      const denied = [400, 403, 404, 405, 412, 422];
      t.answer(
        'a record of the other',
        await send('POST', 'Observation', observation({ subject: theirs })),
        denied,
      );
      t.answer('a record of nobody', await send('POST', 'Observation', observation({})), denied);
      t.answer(
        'by identifier',
        await send('POST', 'Observation', observation({ subject: { identifier: { value: 'hidden' } } })),
        denied,
      );
      t.answer(
        'contained',
        await send(
          'POST',
          'Observation',
          observation({ contained: [{ resourceType: 'Patient', id: 'x' }], subject: { reference: '#x' } }),
        ),
        denied,
      );
      t.answer(
        'by another server',
        await send(
          'POST',
          'Observation',
          observation({ subject: { reference: 'https://evil.example/fhir/Patient/mine' } }),
        ),
        denied,
      );
      t.answer(
        'mine is made the other\u2019s',
        await send('PUT', 'Observation/mine-1', observation({ id: 'mine-1', subject: theirs })),
        denied,
      );
      t.answer(
        'the other\u2019s is made mine',
        await send('PUT', 'Observation/hidden-1', observation({ id: 'hidden-1', subject: mine })),
        denied,
      );
      t.answer(
        'the id of the body is another',
        await send('PUT', 'Observation/mine-1', observation({ id: 'hidden-1', subject: mine })),
        denied,
      );
      t.answer(
        'a patch out of mine',
        await send(
          'PATCH',
          'Observation/mine-1',
          [{ op: 'replace', path: '/subject/reference', value: 'Patient/hidden' }] as never,
          { 'Content-Type': 'application/json-patch+json' },
        ),
        denied,
      );
      t.answer(
        'a patch into mine',
        await send(
          'PATCH',
          'Observation/hidden-1',
          [{ op: 'replace', path: '/subject/reference', value: 'Patient/mine' }] as never,
          { 'Content-Type': 'application/json-patch+json' },
        ),
        denied,
      );
      t.answer(
        'a patch that copies',
        await send(
          'PATCH',
          'Observation/mine-1',
          [{ op: 'copy', from: '/__proto__', path: '/note' }] as never,
          { 'Content-Type': 'application/json-patch+json' },
        ),
        denied,
      );
      t.answer(
        'a delete',
        await lab.send({ method: 'DELETE', path: 'Observation/hidden-1', token }),
        [403, 404, 204],
      );
      t.answer(
        'a delete by condition',
        await lab.send({ method: 'DELETE', path: 'Observation?subject=Patient/hidden', token }),
        [204, 403, 404, 412],
      );
      t.answer(
        'an update by condition',
        await send('PUT', 'Observation?code=4548-4&subject=Patient/hidden', observation({ subject: theirs })),
        denied,
      );
      t.answer(
        'the other patient',
        await send('PUT', 'Patient/hidden', { resourceType: 'Patient', id: 'hidden' }),
        denied,
      );
      t.answer(
        'a link to the other',
        await send('PUT', 'Patient/mine', {
          resourceType: 'Patient',
          id: 'mine',
          name: [{ family: 'Alder' }],
          birthDate: '1970-02-03',
          link: [{ other: theirs, type: 'seealso' }],
        }),
        [200, ...denied],
      );
      t.answer(
        'and sees no more by it',
        await lab.send({ path: 'Patient/mine/$everything', token }),
        (a) => a.status === 200 && silent(a),
      );
      t.answer(
        'a group of others',
        await send('POST', 'Group', {
          resourceType: 'Group',
          type: 'person',
          actual: true,
          member: [{ entity: theirs }],
        }),
        denied,
      );
      t.answer(
        'erasing',
        await lab.send({
          method: 'POST',
          path: 'Observation/hidden-1/$erase?confirm=true&reason=because',
          token,
          body: {},
        }),
        denied,
      );
      t.answer(
        'the other\u2019s is as it was',
        await lab.send({ path: 'Observation/hidden-1', token: await all(lab) }),
        (a) => a.status === 200 && a.json.meta.versionId === '1' && a.text.includes('Patient/hidden'),
      );
    },
  },
  {
    id: 'S-22',
    title: 'asking what is hidden by what is found',
    async attack(lab, t) {
      const token = await lab.token('patient/Patient.rs patient/Observation.rs', { patient: 'mine' });
      const nothing = [
        'Patient?_has:Observation:patient:value-quantity=gt9&_id=hidden',
        `Observation?subject:Patient.name=${CANARY}`,
        `Observation?patient.name=${CANARY}&_summary=count`,
        `Patient?name=${CANARY}&_total=accurate`,
        'Patient?_id=hidden&_summary=count',
        'Patient?gender=female',
        'Patient?birthdate=1961-01-01',
        'Patient?_has:Condition:subject:code:text=x',
        'Patient?_has:Group:member:_id=hidden-group',
        'Observation?_id:not=mine-1',
        'Observation?_has:Provenance:target:_id=x',
        `Observation?_content=${CANARY}`,
        `Observation?code:text=${CANARY}`,
        'Observation?value-quantity=gt9&subject=Patient/hidden',
      ];
      for (const path of nothing)
        t.answer(path, await lab.send({ path, token }), (a) =>
          a.status === 200 ? total(a) === 0 : [400, 403].includes(a.status),
        );
      t.answer('sorted', await lab.send({ path: 'Patient?_sort=birthdate', token }), (a) => total(a) === 1);
      t.answer(
        'missing',
        await lab.send({ path: 'Patient?gender:missing=false', token }),
        (a) => total(a) === 0,
      );
      const write = await lab.token('patient/*.cruds', { patient: 'mine' });
      const made = await lab.send({
        method: 'POST',
        path: 'Observation',
        token: write,
        headers: { 'If-None-Exist': 'subject=Patient/hidden' },
        body: {
          resourceType: 'Observation',
          status: 'final',
          code: { text: 'oracle' },
          subject: { reference: 'Patient/mine' },
        },
      });
      t.answer('a conditional create does not tell', made, [201, 403]);
      const gone = await lab.send({
        method: 'DELETE',
        path: `Observation?code:text=${CANARY}`,
        token: write,
      });
      t.answer('nor does a conditional delete', gone, [204, 403, 404]);
      t.answer(
        'and deletes nothing',
        await lab.send({ path: 'Observation/hidden-1', token: await all(lab) }),
        [200],
      );
    },
  },
  {
    id: 'S-23',
    title: 'around the scope',
    async attack(lab, t) {
      const token = await lab.token('system/Observation.rs');
      for (const path of [
        'Observation?_include=Observation:subject',
        'Observation?_include=*',
        'Observation?_include:iterate=*&_revinclude:iterate=*',
        'Observation?_elements=subject',
        'Observation?_summary=data',
        'Observation?_contained=both&_containedType=container',
        'Observation?subject:Patient.name=Alder',
        'Observation?_has:Provenance:target:agent=x',
        `/fhir/${TENANT}?_type=Patient`,
        `/fhir/${TENANT}?_type=Observation,Patient`,
        'Observation?_list=hidden',
        'Observation?_query=x',
        'Observation?_filter=subject.name%20eq%20x',
        'Patient',
        'Patient/hidden',
        'Observation/hidden-1/_history/1?_include=*',
      ])
        t.answer(path, await lab.send({ path, token }), (a) =>
          a.status === 200 ? !/"resourceType":"Patient"/.test(a.text) : a.status >= 400 && a.status < 500,
        );
      t.answer(
        'a write',
        await lab.send({
          method: 'POST',
          path: 'Observation',
          token,
          body: { resourceType: 'Observation', status: 'final', code: { text: 'x' } },
        }),
        [403],
      );
      t.answer('a delete', await lab.send({ method: 'DELETE', path: 'Observation/hidden-1', token }), [403]);
    },
  },
];
