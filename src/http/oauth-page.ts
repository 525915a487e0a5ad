import { createHash } from 'node:crypto';
import type { Form, OAuthAnswer } from './oauth-exchange.js';

/** The two pages of the authorisation server: plain HTML that loads nothing and runs nothing. */

export interface SignIn {
  readonly tenant: string;
  readonly client: string;
  readonly scopes: readonly string[];
  /** Whether the patient, and the encounter, are still to be chosen. */
  readonly asksPatient: boolean;
  readonly asksEncounter: boolean;
  /** Whether the patient is the one that is open in the record system. */
  readonly opened: boolean;
  readonly redirectUri: string;
  /** The request, sent along again with the answer. */
  readonly form: Form;
  readonly message?: string;
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;color:#123;background:#fff}
label{display:block;margin:1rem 0 .25rem}input{width:100%;box-sizing:border-box;font:inherit;padding:.4rem}
button{font:inherit;padding:.4rem 1.2rem;margin:1rem .5rem 0 0}code{background:#eef3f5;padding:0 .2rem}
.trouble{border-left:4px solid #b3261e;padding-left:.75rem}`;
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');
/** What the form sends besides the request itself. */
const OWN_FIELDS = new Set(['token', 'patient', 'encounter', 'decision']);

export function signInPage({
  tenant,
  client,
  scopes,
  asksPatient,
  asksEncounter,
  opened,
  redirectUri,
  form,
  message,
}: SignIn): OAuthAnswer {
  const hidden = [...form]
    .filter(([name]) => !OWN_FIELDS.has(name))
    .map(([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`)
    .join('');
  const body = `<h1>${escapeHtml(client)}</h1>
<p>asks for access to <strong>${escapeHtml(tenant)}</strong>:</p>
<ul>${scopes.map((s) => `<li><code>${escapeHtml(s)}</code></li>`).join('')}</ul>
${message === undefined ? '' : `<p class="trouble" role="alert">${escapeHtml(message)}</p>`}
<form method="post" autocomplete="off">${hidden}
<label for="token">Your access token for this tenant</label>
<input id="token" name="token" type="password" spellcheck="false">
${
  asksPatient
    ? '<label for="patient">Patient (id), unless your token is for one</label><input id="patient" name="patient" spellcheck="false">'
    : ''
}${
  asksEncounter
    ? '<label for="encounter">Encounter (id)</label><input id="encounter" name="encounter" spellcheck="false">'
    : ''
}${opened ? '<p>It is about the patient who is open in your record system.</p>' : ''}
<button name="decision" value="allow">Allow</button><button name="decision" value="deny">Refuse</button>
</form><p>The app gets what your token permits of this and no more. You return to <code>${escapeHtml(placeOf(redirectUri))}</code>.</p>`;
  return page(200, `${client} asks for access`, body, redirectUri);
}

export function trouble(text: string): OAuthAnswer {
  const body = `<h1>This cannot go on</h1><p class="trouble">${escapeHtml(text)}</p><p>Tell whoever runs the app.</p>`;
  return page(400, 'Sign-in', body);
}

/** `form-action` covers the redirect that follows the form, so the app's own place is named beside ours. */
function page(status: number, title: string, body: string, redirectUri?: string): OAuthAnswer {
  const action = redirectUri === undefined ? "'none'" : `'self' ${placeOf(redirectUri)}`;
  return {
    status,
    html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title><style>${STYLE}</style></head><body>${body}</body></html>`,
    headers: {
      'Content-Security-Policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action ${action}; frame-ancestors 'none'; base-uri 'none'`,
      'X-Frame-Options': 'DENY',
      'Cache-Control': 'no-store',
    },
  };
}

function placeOf(uri: string): string {
  const url = new URL(uri);
  return url.origin === 'null' ? url.protocol : url.origin;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => ESCAPES[c]!);
}
