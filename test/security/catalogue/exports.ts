import { all, type Lab, OTHER_TENANT, own } from './lab.js';
import type { Answer, Row } from './trial.js';

/** The files of an export that was taken in. */
async function exported(lab: Lab, kick: Answer, token: string): Promise<string[]> {
  const status = new URL(kick.headers['content-location'] ?? 'http://x/').pathname;
  for (let i = 0; i < 240; i++) {
    const manifest = await lab.send({ path: status, token });
    if (manifest.status !== 202) {
      const urls: string[] = (manifest.json?.output ?? []).map(({ url }: { url: string }) => url);
      const files: string[] = [];
      for (const url of urls) files.push((await lab.send({ path: new URL(url).pathname, token })).text);
      await lab.send({ method: 'DELETE', path: status, token });
      return files;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return [];
}

/** Exports beyond the scope, and what others left behind. */
export const EXPORTS: readonly Row[] = [
  {
    id: 'S-24',
    title: 'exports beyond the scope',
    async attack(lab, t) {
      const ask = async (path: string, token: string) =>
        lab.send({ path, token, headers: { Prefer: 'respond-async' } });
      const mine = await own(lab, 'patient/*.rs');
      // Refused whole; an absent patient and a hidden one are alike (400), and so is a hidden group (404).
      for (const path of [
        '$export',
        'Patient/$export',
        '$export?_since=1900-01-01',
        'Patient/$export?patient=Patient/mine,Patient/hidden',
        'Patient/$export?patient=Patient/hidden',
        'Group/hidden-group/$export',
        '$export?_type=Patient',
        'Patient/$export?_type=Patient',
      ])
        t.answer(`a patient: ${path}`, await ask(path, mine), [400, 403, 404]);
      const named = (id: string) => ({
        resourceType: 'Parameters',
        parameter: [{ name: 'patient', valueReference: { reference: `Patient/${id}` } }],
      });
      t.answer(
        'a patient: another one by name',
        await lab.send({
          method: 'POST',
          path: 'Patient/$export',
          token: mine,
          headers: { Prefer: 'respond-async' },
          body: named('hidden'),
        }),
        [400, 403, 404],
      );
      for (const [method, path, prefer, body] of [
        ['POST', 'Patient/$export', 'respond-async', named('mine')],
        ['GET', '$export', 'respond-async, handling=lenient', undefined],
      ] as const) {
        const kick = await lab.send({ method, path, token: mine, headers: { Prefer: prefer }, body });
        const files = kick.status === 202 ? await exported(lab, kick, mine) : [];
        t.check(
          `a patient: ${method} ${path} (${prefer}) gives the own record alone`,
          files.length > 0 && !/"id":"hidden|Zzyzx/.test(files.join()),
          `${kick.status}, ${files.length} files`,
        );
      }
      const some = await lab.token('system/Observation.rs');
      for (const path of [
        '$export?_type=Patient',
        'Patient/$export?_type=Patient,Observation',
        '$export?_type=Observation&_typeFilter=Patient%3Fname%3Dx',
        'Group/hidden-group/$export',
        '$export?_type=Nonsense',
        '$export?_since=x',
        '$export?_outputFormat=xml',
      ])
        t.answer(`observations alone: ${path}`, await ask(path, some), [400, 403, 404]);
      t.answer('without respond-async', await lab.send({ path: '$export', token: await all(lab) }), [400]);
    },
  },
  {
    id: 'S-25',
    title: 'jobs and files of others',
    async attack(lab, t) {
      const alice = await lab.token('system/*.cruds', { subject: 'alice', client: 'alice' });
      const bob = await lab.token('system/*.cruds', { subject: 'bob', client: 'bob' });
      const stranger = await lab.token('system/*.cruds', {
        tenant: OTHER_TENANT,
        subject: 'alice',
        client: 'alice',
      });
      const kick = await lab.send({
        path: '$export?_type=Patient',
        token: alice,
        headers: { Prefer: 'respond-async' },
      });
      t.answer('an export begins', kick, [202]);
      const status = new URL(kick.headers['content-location'] ?? 'http://x/').pathname;
      t.answer('its status, of another client', await lab.send({ path: status, token: bob }), [403, 404]);
      t.answer('its status, without a token', await lab.send({ path: status }), [401]);
      t.answer(
        'its status, at the other tenant',
        await lab.send({ path: status.replace('/lake/', '/other/'), token: stranger }),
        [403, 404],
      );
      let manifest = kick;
      for (let i = 0; i < 120; i++) {
        manifest = await lab.send({ path: status, token: alice });
        if (manifest.status !== 202) break;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      t.answer('its manifest', manifest, [200]);
      const file = new URL(manifest.json?.output?.[0]?.url ?? 'http://x/').pathname;
      t.answer(
        'its file',
        await lab.send({ path: file, token: alice }),
        (a) => a.status === 200 && a.headers['x-content-type-options'] === 'nosniff',
      );
      t.answer('its file, of another client', await lab.send({ path: file, token: bob }), [403, 404]);
      t.answer('its file, without a token', await lab.send({ path: file }), [401]);
      t.answer(
        'its file, at the other tenant',
        await lab.send({ path: file.replace('/lake/', '/other/'), token: stranger }),
        [403, 404],
      );
      t.answer(
        'its file, a token of one type',
        await lab.send({
          path: file,
          token: await lab.token('system/Observation.rs', { subject: 'alice', client: 'alice' }),
        }),
        [403, 404],
      );
      const folder = file.slice(0, file.lastIndexOf('/'));
      for (const name of [
        '..%2f..%2ftoken.secret',
        '../../token.secret',
        '%2e%2e%2ftoken.secret',
        '.',
        'x',
        'Patient.ndjson%00',
        '....//token.secret',
        'C:%5Cx',
      ])
        t.answer(
          `file ${name}`,
          await lab.send({ path: `${folder}/${name}`, token: alice }),
          [400, 403, 404, 405],
        );
      t.answer(
        'its deletion by another client',
        await lab.send({ method: 'DELETE', path: status, token: bob }),
        [403, 404],
      );
      t.answer('its deletion', await lab.send({ method: 'DELETE', path: status, token: alice }), [202]);
      t.answer('its file afterwards', await lab.send({ path: file, token: alice }), [404, 410]);
      t.answer('its status afterwards', await lab.send({ path: status, token: alice }), [404, 410]);
      for (const id of ['00000000-0000-0000-0000-000000000000', '1', "x'--"])
        t.answer(
          `a guessed job ${id}`,
          await lab.send({ path: `$export-status/${encodeURIComponent(id)}`, token: alice }),
          [404, 400],
        );
    },
  },
];
