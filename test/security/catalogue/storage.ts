import { verifyAuditChain } from '../../../src/store/audit-verify.js';
import { all, OTHER_TENANT } from './lab.js';
import type { Row } from './trial.js';

export const STORAGE: readonly Row[] = [
  {
    id: 'S-50',
    title: 'rows changed behind our back',
    async attack(lab, t) {
      const token = await all(lab, OTHER_TENANT);
      const tenant = await lab.system.tenants.open(OTHER_TENANT);
      const put = (id: string) =>
        lab.send({
          method: 'PUT',
          path: `/fhir/${OTHER_TENANT}/Patient/${id}`,
          token,
          body: { resourceType: 'Patient', id, name: [{ family: id }] },
        });
      await put('first');
      await put('second');
      const place = async (id: string) =>
        (
          await tenant.pool.query<{ part: number; sid: bigint }>(
            'select part, sid from resource where rid = $1',
            [tenant.keys.rid('Patient', id)],
          )
        ).rows[0]!;
      const [one, two] = [await place('first'), await place('second')];
      const changes: [string, string, unknown[]][] = [
        [
          'the body of another patient',
          'update segment s set bind = t.bind, sealed = t.sealed from segment t where s.part = $1 and s.sid = $2 and t.part = $3 and t.sid = $4',
          [one.part, one.sid, two.part, two.sid],
        ],
        [
          'the body alone',
          'update segment s set sealed = t.sealed from segment t where s.part = $1 and s.sid = $2 and t.part = $3 and t.sid = $4',
          [one.part, one.sid, two.part, two.sid],
        ],
        [
          'one bit',
          'update segment set sealed = set_bit(sealed, 300, 1 - get_bit(sealed, 300)) where part = $1 and sid = $2',
          [one.part, one.sid],
        ],
        [
          'the end cut off',
          'update segment set sealed = substr(sealed, 1, length(sealed) - 1) where part = $1 and sid = $2',
          [one.part, one.sid],
        ],
        [
          'everything cut off',
          "update segment set sealed = '' where part = $1 and sid = $2",
          [one.part, one.sid],
        ],
        ['the list', 'update segment set bind = bind + 1 where part = $1 and sid = $2', [one.part, one.sid]],
        ['no body', 'delete from segment where part = $1 and sid = $2', [one.part, one.sid]],
      ];
      for (const [name, sql, values] of changes) {
        const keep = (
          await tenant.pool.query('select * from segment where part = $1 and sid = $2', [one.part, one.sid])
        ).rows[0];
        await tenant.pool.query(sql, values);
        t.answer(
          name,
          await lab.send({ path: `/fhir/${OTHER_TENANT}/Patient/first`, token }),
          (a) => a.status === 500 && !a.text.includes('second') && a.json.resourceType === 'OperationOutcome',
        );
        await tenant.pool.query('delete from segment where part = $1 and sid = $2', [one.part, one.sid]);
        const columns = Object.keys(keep);
        await tenant.pool.query(
          `insert into segment (${columns.join()}) values (${columns.map((_, i) => `$${i + 1}`).join()})`,
          Object.values(keep),
        );
        t.answer(
          `${name}: as it was`,
          await lab.send({ path: `/fhir/${OTHER_TENANT}/Patient/first`, token }),
          [200],
        );
      }
    },
  },
  {
    id: 'S-54',
    title: 'an audit log that was changed',
    async attack(lab, t) {
      const tenant = await lab.system.tenants.open(OTHER_TENANT);
      const token = await all(lab, OTHER_TENANT);
      for (let i = 0; i < 3; i++)
        await lab.send({
          method: 'PUT',
          path: `/fhir/${OTHER_TENANT}/Patient/audited`,
          token,
          body: { resourceType: 'Patient', id: 'audited', birthDate: `199${i}-01-01` },
        });
      await lab.send({ path: `/fhir/${OTHER_TENANT}/Patient/audited`, token });
      const whole = async () => {
        const client = await tenant.pool.connect();
        try {
          await client.query('begin read only');
          return (await verifyAuditChain(tenant, client, [])).broken.join('; ');
        } finally {
          await client.query('rollback');
          client.release();
        }
      };
      const before = await whole();
      const { rows: columns } = await tenant.pool.query<{ name: string }>(
        "select attname as name from pg_attribute where attrelid = 'audit'::regclass and attnum > 0 and not attisdropped and attgenerated = ''",
      );
      const names = columns.map(({ name }) => name);
      const { rows } = await tenant.pool.query(
        'select ctid::text as place, * from audit order by at desc limit 1 offset 2',
      );
      const { place, ...row } = rows[0] as { place: string } & Record<string, unknown>;
      t.check('the chain holds', before === '', before.slice(0, 200));
      for (const sql of [
        'delete from audit',
        'truncate audit',
        "update audit set sealed = ''",
        'drop table audit',
      ]) {
        const outcome = await tenant.pool.query(sql).then(
          () => 'done',
          () => 'refused',
        );
        t.check(`as the tenant: ${sql}`, outcome === 'refused', outcome);
      }
      const { db } = (await tenant.pool.query<{ db: string }>('select current_database() as db')).rows[0]!;
      const asOwner = (sql: string, values: unknown[] = []) => lab.asAdmin(db, sql, values);
      await asOwner('delete from audit where ctid = $1::tid', [place]);
      const after = await whole();
      t.check('one row deleted is found', /row \d+/.test(after), after.slice(0, 120));
      await asOwner(
        `insert into audit (${names.join()}) values (${names.map((_, i) => `$${i + 1}`).join()})`,
        names.map((n) => row[n]),
      );
      t.check('put back, it holds again', (await whole()) === before);
      const tamper = async (name: string, sql: string, back: string) => {
        await asOwner(sql);
        const found = await whole();
        t.check(name, /row \d+|strand/.test(found), found);
        await asOwner(back);
        t.check(`${name}: put back`, (await whole()) === '');
      };
      const newest = 'ctid = (select ctid from audit where seq > 1 order by at desc limit 1)';
      const flip = `update audit set sealed = set_bit(sealed, 90, 1 - get_bit(sealed, 90)) where ${newest}`;
      await tamper('one bit', flip, flip);
      await tamper(
        'the moment of a row',
        `update audit set at = at - 1 where ${newest}`,
        `update audit set at = at + 1 where ${newest}`,
      );
    },
  },
];
