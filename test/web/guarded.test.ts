/// <reference lib="dom" />
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/core/package-root.js';
import { BASE, patient, TENANT } from '../http/served.js';
import { openPages, type Pages } from './both-pages.js';
import { CHROMIUM, seriousFindings, type Visit } from './browser.js';

/** Who gets in, what administrators do, and the shell around the places. */
let pages: Pages;
let open: Visit;
let closed: Visit;
let token: string;
let adminToken: string;

describe.skipIf(!CHROMIUM)('the page', () => {
  beforeAll(async () => {
    pages = await openPages();
    ({ open, closed, token, adminToken } = pages);
    for (const id of ['long', 'other'])
      await fetch(`${closed.base}${BASE}/Patient/${id}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' },
        body: JSON.stringify(patient({ id })),
      });
  }, 180_000);
  afterAll(() => pages?.close());

  describe('signing in', () => {
    it('is asked for where the server wants a token, says why one is refused, and opens with a good one', async () => {
      const { page } = closed;
      await closed.open('patients');
      await page.waitForSelector('h1:has-text("Sign in")');
      expect(await closed.look('sign-in')).toEqual([]);
      await page.fill('.sign-in input[type=password]', 'no.good.token');
      await page.click('.sign-in button[type=submit]');
      await page.waitForSelector('[role=alert]');
      expect(await closed.look('sign-in-refused')).toEqual([]);
      await page.fill('.sign-in input[type=password]', token);
      await page.keyboard.press('Enter');
      await page.waitForSelector('.card');
      expect(await page.evaluate(() => JSON.stringify(localStorage))).toBe('{}');
      closed.takeProblems();
    });

    it('goes through the tenant’s authorisation server, where the page is registered as an app, and comes back', async () => {
      const { page } = closed;
      const signOut = async () => {
        await closed.open('patients');
        await page.waitForSelector('.card');
        await page.click('text=Sign out');
        await page.waitForSelector('h1:has-text("Sign in")');
      };
      await signOut();
      await page.click('text=Through the tenant’s sign-in');
      await page.waitForSelector('text=is not registered as an app');
      await pages.register({
        id: 'cenote-page',
        name: 'Cenote’s own page',
        redirectUris: [`${closed.base}/`],
        scopes: 'launch user/*.rs',
      });
      await page.click('text=Through the tenant’s sign-in');
      await page.waitForSelector('#token');
      await page.fill('#token', token);
      await page.click('button[value=deny]');
      await page.waitForSelector('text=The user refused.');
      await page.click('text=Through the tenant’s sign-in');
      await page.fill('#token', token);
      await page.click('button[value=allow]');
      await page.waitForSelector('.card');
      expect(page.url()).toBe(`${closed.base}/`);
      const kept = await page.evaluate(() => JSON.stringify(sessionStorage));
      expect(kept).not.toContain(token);
      expect(kept).not.toContain('verifier');
      // A code that nobody here asked for opens nothing.
      await signOut();
      await page.goto(`${closed.base}/?code=stolen&state=other`);
      await page.waitForSelector('text=was not begun in this tab');
      closed.takeProblems();
    });

    it('is opened by a record system, at the patient who is open there', async () => {
      const { page } = closed;
      const launched = await fetch(`${closed.base}/oauth/${TENANT}/launch`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: new URLSearchParams({ client_id: 'cenote-page', patient: 'long' }),
      });
      const { launch } = (await launched.json()) as { launch: string };
      const iss = `${closed.base}/fhir/${TENANT}`;
      await page.goto(`${closed.base}/?${new URLSearchParams({ iss, launch })}`);
      await page.waitForSelector('text=open in your record system');
      await page.fill('#token', token);
      await page.click('button[value=allow]');
      await page.waitForSelector('header.patient h1:has-text("Alder")');
      expect(page.url()).toBe(`${closed.base}/#/patient/long`);
      await page.goto(
        `${closed.base}/?${new URLSearchParams({ iss: 'https://elsewhere.example/fhir/lake', launch })}`,
      );
      await page.waitForSelector('text=for another server');
      await page.fill('.sign-in input[type=password]', token);
      await page.keyboard.press('Enter');
      await page.waitForSelector('.card');
      closed.takeProblems();
    });

    it('ends by itself when nobody uses the page, after a word of warning', async () => {
      const { page } = closed;
      await page.clock.install();
      await closed.open('patients');
      await page.waitForSelector('.card');
      await page.clock.runFor(14 * 60_000 + 5_000);
      await page.waitForSelector('text=You will be signed out in a minute');
      expect(await seriousFindings(page)).toEqual([]);
      await page.screenshot({ path: join(packageRoot(), 'test-output', 'idle-warning.png') });
      await page.click('text=Stay signed in');
      await page.waitForSelector('text=You will be signed out', { state: 'detached' });
      await page.clock.runFor(15 * 60_000 + 2_000);
      await page.waitForSelector('text=You were signed out for want of use');
      expect(await page.locator('.card').count()).toBe(0);
      expect(await page.evaluate(() => JSON.stringify(sessionStorage))).not.toContain(token);
      await page.clock.resume();
      await page.fill('.sign-in input[type=password]', token);
      await page.click('.sign-in button[type=submit]');
      await page.waitForSelector('.card');
      closed.takeProblems();
    });
  });

  describe('administration', () => {
    it('has a sign-in of its own, which a token of the tenant does not open', async () => {
      const { page } = closed;
      await closed.open('admin');
      await page.waitForSelector('text=Sign in as an administrator');
      await page.fill('.admin input[type=password]', token);
      await page.click('.admin button[type=submit]');
      await page.waitForSelector('.admin [role=alert]');
      expect(await closed.look('admin-sign-in')).toEqual([]);
      await page.fill('.admin input[type=password]', adminToken);
      await page.click('.admin button[type=submit]');
      await page.waitForSelector(`a.row:has-text("${TENANT}")`);
      closed.takeProblems();
    });

    it('makes a tenant, and suspends it only when its name was typed', async () => {
      const { page } = closed;
      await page.click('text=Make a tenant');
      await page.fill('.fields input', TENANT);
      await page.click('.fields button[type=submit]');
      await page.waitForSelector('.fields [role=alert]');
      await page.fill('.fields input', 'ward-seven');
      await page.click('.fields button[type=submit]');
      await page.waitForSelector('a.row:has-text("ward-seven")', { timeout: 30_000 });
      expect(await closed.look('admin-tenants')).toEqual([]);
      await page.click('a.row:has-text("ward-seven")');
      await page.click('button:has-text("Suspend")');
      expect(await page.isDisabled('dialog button[type=submit]')).toBe(true);
      await page.fill('dialog input', 'ward-seven');
      expect(await closed.look('admin-suspend')).toEqual([]);
      await page.click('dialog button[type=submit]');
      await page.waitForSelector('.state:has-text("suspended")');
      await page.waitForSelector('text=its tables are not measured');
      await page.click('button:has-text("Let it work again")');
      await page.click('dialog button[type=submit]');
      await page.waitForSelector('.state:has-text("active")');
      closed.takeProblems();
    });

    it('shows keys with their age, rotates them, and registers and revokes clients', async () => {
      const { page } = closed;
      await closed.open(`admin/tenant/${TENANT}`);
      const rows = page.locator('section[aria-labelledby=keys] tbody tr');
      await rows.first().waitFor();
      const before = await rows.count();
      await page.selectOption('section[aria-labelledby=keys] select', 'body');
      await page.click('section[aria-labelledby=keys] button:has-text("Rotate")');
      await page.click('dialog button[type=submit]');
      await expect.poll(() => rows.count()).toBe(before + 1);
      await page.waitForSelector('text=The records are being sealed anew');

      await page.click('summary:has-text("Register a client")');
      await page.fill('.inner .field:nth-of-type(1) input', 'Nightly export');
      await page.fill('.inner textarea', 'no key set');
      await page.click('.inner button[type=submit]');
      await page.waitForSelector('.inner [role=alert]');
      const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
      const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'night-1', alg: 'ES384', use: 'sig' };
      await page.fill('.inner textarea', JSON.stringify({ keys: [jwk] }));
      await page.click('.inner button[type=submit]');
      await page.waitForSelector('text=is registered as');
      await page.click('.client summary');
      await page.waitForSelector('.client pre:has-text("night-1")');
      expect(await closed.look('admin-tenant')).toEqual([]);
      await page.click('button[aria-label="Revoke Nightly export"]');
      await page.click('dialog button[type=submit]');
      await page.waitForSelector('.state:has-text("revoked")');
      closed.takeProblems();
    });

    it('searches the audit log by patient, person, time and outcome', async () => {
      const { page } = closed;
      await closed.open('admin/audit');
      await page.waitForSelector('.audit tbody tr');
      expect(await page.locator('.audit tbody').textContent()).toContain('Practitioner/okonkwo');
      expect(await closed.look('admin-audit')).toEqual([]);
      await page.selectOption('.filter .field:has-text("Outcome") select', '4');
      await page.click('.filter button[type=submit]');
      await page.waitForFunction(() =>
        [...document.querySelectorAll('.audit tbody tr')].every((r) => r.textContent!.includes('refused')),
      );
      await page.click('.filter button:has-text("Clear")');
      await page.fill('.filter .field:has-text("Who") input', 'nobody');
      await page.click('.filter button[type=submit]');
      await page.waitForSelector('text=Nothing of that kind was recorded');
      await page.click('.filter button:has-text("Clear")');
      await page.fill('.filter .field:has-text("Patient") input', 'Patient/long');
      await page.click('.filter button[type=submit]');
      await page.waitForFunction(() => {
        const rows = [...document.querySelectorAll('.audit tbody tr')];
        return rows.some((r) => r.textContent!.includes('Patient/long'));
      });
      expect(closed.takeProblems()).toEqual([]);
    });
  });

  describe('the shell', () => {
    it('leads past the navigation, and to each place, by the keyboard', async () => {
      const { page } = open;
      await open.open('patients');
      await page.waitForSelector('.search');
      open.takeProblems();
      await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
      await page.keyboard.press('Tab');
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to content');
      await page.keyboard.press('Enter');
      expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
      expect(page.url()).toMatch(/#\/patients$/);
      for (const place of ['Cohorts', 'Jobs', 'Try it', 'Administration', 'Patients']) {
        await page.focus(`nav[aria-label=Places] a:has-text("${place}")`);
        await page.keyboard.press('Enter');
        await page.waitForFunction((p) => document.title.startsWith(p), place);
        expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
        expect(await page.locator('nav[aria-label=Places] a[aria-current=page]').textContent()).toBe(place);
      }
      expect(open.takeProblems()).toEqual([]);
    });

    it('stands when a place fails, and survives an address that is none', async () => {
      const { page } = open;
      await page.route('**/$jobs', (route) =>
        route.fulfill({ contentType: 'application/json', body: '{"jobs":[{"id":"x"}]}' }),
      );
      await open.open('jobs');
      await page.waitForSelector('text=This place failed');
      expect(await open.look('failed')).toEqual([]);
      await page.unroute('**/$jobs');
      await page.click('nav[aria-label=Places] a:has-text("Patients")');
      await page.waitForSelector('.card');
      await open.open('%E0%A4%A');
      await page.waitForSelector('.card');
      open.takeProblems();
    });

    it('asks no other host, and runs nothing that its policy forbids', async () => {
      const { page } = open;
      const answer = await page.request.get(open.base);
      expect(answer.headers()['content-security-policy']).toContain("script-src 'self'");
      expect(answer.headers()['content-security-policy']).not.toContain('unsafe');
      const forbidden = await page.evaluate(
        () =>
          new Promise((done) => {
            document.addEventListener('securitypolicyviolation', () => done('forbidden'), { once: true });
            const script = document.createElement('script');
            script.textContent = 'globalThis.ran = true';
            document.body.append(script);
          }),
      );
      expect(forbidden).toBe('forbidden');
      open.takeProblems();
    });
  });
});

describe.runIf(!CHROMIUM)('the page', () => {
  it.skip('is tried in a browser: no Chromium was found (CENOTE_TEST_CHROMIUM names one)', () => undefined);
});
