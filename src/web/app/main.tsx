import './style.css';
import { type JSX, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { loadSession, type Session, useSession } from './api.js';
import { Cohorts } from './cohorts.js';
import { NoteReader } from './note.js';
import { PatientPage } from './patient.js';
import { Patients } from './patients.js';
import { TryIt } from './try-it.js';

const PLACES = [
  ['patients', 'Patients'],
  ['cohorts', 'Cohorts'],
  ['try', 'Try it'],
] as const;

function useRoute(): string[] {
  const read = () => location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route[0] ? route : ['patients'];
}

function App(): JSX.Element {
  const route = useRoute();
  const [session, setSession] = useState<Session>(loadSession);
  const [signing, setSigning] = useState(false);
  const place = route[0]!;
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href="#/patients">
          Cenote
        </a>
        <nav aria-label="Places">
          {PLACES.map(([name, title]) => (
            <a
              key={name}
              href={`#/${name}`}
              aria-current={
                place === name || (name === 'patients' && (place === 'patient' || place === 'note'))
                  ? 'page'
                  : undefined
              }
            >
              {title}
            </a>
          ))}
        </nav>
        <button type="button" class="tenant" onClick={() => setSigning(!signing)} aria-expanded={signing}>
          {session.tenant}
        </button>
      </header>
      {signing && (
        <SignIn
          session={session}
          onDone={(s) => {
            useSession(s);
            setSession(s);
            setSigning(false);
          }}
        />
      )}
      <main id="main" key={`${session.tenant} ${session.token}`} tabIndex={-1}>
        {place === 'patient' && route[1] ? (
          <PatientPage id={route[1]} />
        ) : place === 'note' && route[1] ? (
          <NoteReader id={route[1]} focus={route[2]} />
        ) : place === 'cohorts' ? (
          <Cohorts />
        ) : place === 'try' ? (
          <TryIt />
        ) : (
          <Patients />
        )}
      </main>
    </>
  );
}

function SignIn({ session, onDone }: { session: Session; onDone: (s: Session) => void }): JSX.Element {
  const [tenant, setTenant] = useState(session.tenant);
  const [token, setToken] = useState(session.token);
  return (
    <form
      class="sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        onDone({ tenant: tenant.trim(), token: token.trim() });
      }}
    >
      <label>
        Tenant
        <input
          value={tenant}
          required
          pattern="[a-z][a-z0-9\-]{0,39}"
          onInput={(e) => setTenant(e.currentTarget.value)}
        />
      </label>
      <label>
        Access token
        <input
          type="password"
          autocomplete="off"
          value={token}
          placeholder="none in development mode"
          onInput={(e) => setToken(e.currentTarget.value)}
        />
      </label>
      <button type="submit">Open</button>
    </form>
  );
}

render(<App />, document.getElementById('app')!);
