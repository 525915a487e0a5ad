import type { JSX } from 'preact';
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { forgetAdmin, isAdminSignedIn } from '../admin/admin-api.js';
import { Administration } from '../admin/administration.js';
import { loadSession, type Session, SIGN_IN_NEEDED, useSession } from '../api.js';
import { Cohorts } from '../cohorts.js';
import { JobsPlace } from '../jobs/jobs.js';
import { NoteReader } from '../note.js';
import { PatientPage } from '../patient.js';
import { forgetSearch, Patients } from '../patients.js';
import { TryIt } from '../try-it.js';
import { Boundary } from './boundary.js';
import { IdleWatch } from './idle.js';
import { NetworkBanner } from './network.js';
import { useRoute } from './route.js';
import { SignIn } from './sign-in.js';

const PLACES = [
  ['patients', 'Patients'],
  ['cohorts', 'Cohorts'],
  ['jobs', 'Jobs'],
  ['try', 'Try it'],
  ['admin', 'Administration'],
] as const;
type Place = (typeof PLACES)[number][0];

/** Places that belong to another one's entry of the navigation. */
const WITHIN: Readonly<Record<string, Place>> = { patient: 'patients', note: 'patients' };

const titleOf = (place: string) =>
  PLACES.find(([name]) => name === (WITHIN[place] ?? place))?.[1] ?? 'Patients';

export function App({
  why,
}: {
  /** Why a sign-in came to nothing. */ readonly why?: string | undefined;
}): JSX.Element {
  const route = useRoute();
  const [session, setSession] = useState<Session>(loadSession);
  /** Why the sign-in is shown; undefined while it is not. */
  const [signing, setSigning] = useState(why);
  const [adminRound, setAdminRound] = useState(0);
  const place = route[0]!;
  const main = useRef<HTMLElement>(null);

  useEffect(() => {
    // Who has not tried to sign in yet needs no reason.
    const needed = (event: Event) =>
      setSigning(loadSession().token ? (event as CustomEvent<string>).detail : '');
    addEventListener(SIGN_IN_NEEDED, needed);
    return () => removeEventListener(SIGN_IN_NEEDED, needed);
  }, []);
  const enter = (next: Session) => {
    forgetSearch();
    useSession(next);
    setSession(next);
    setSigning(undefined);
  };
  const leave = useCallback((why: string) => {
    forgetSearch();
    forgetAdmin();
    setAdminRound((n) => n + 1);
    const next = { tenant: loadSession().tenant, token: '' };
    useSession(next);
    setSession(next);
    setSigning(why);
  }, []);
  const leaveIdle = useCallback(() => leave('You were signed out for want of use.'), [leave]);

  const at = route.slice(0, 2).join('/');
  usePlaceFocus(main, at, titleOf(place));

  const asksToken = signing !== undefined && place !== 'admin';
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: it goes to a place within the page, whose address names another */}
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The address names the place; it must not change.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to content
      </a>
      <Top
        place={place}
        session={session}
        signedIn={session.token !== '' || isAdminSignedIn()}
        onSwitch={() => {
          if (place === 'admin') location.hash = '#/patients';
          setSigning(signing === undefined ? '' : undefined);
        }}
        onSignOut={() => leave('You are signed out.')}
      />
      <NetworkBanner />
      <IdleWatch active={session.token !== '' || isAdminSignedIn()} onSignOut={leaveIdle} />
      <main id="main" ref={main} key={`${session.tenant} ${session.token} ${adminRound}`} tabIndex={-1}>
        <Boundary place={route.join('/')}>
          {asksToken ? <SignIn session={session} why={signing} onDone={enter} /> : <Shown route={route} />}
        </Boundary>
      </main>
    </>
  );
}

function Shown({ route }: { readonly route: readonly string[] }): JSX.Element {
  const [place, id, more] = route;
  if (place === 'patient' && id) return <PatientPage key={id} id={id} />;
  if (place === 'note' && id) return <NoteReader id={id} focus={more} />;
  if (place === 'cohorts') return <Cohorts />;
  if (place === 'jobs') return <JobsPlace id={id} />;
  if (place === 'try') return <TryIt />;
  if (place === 'admin') return <Administration route={route.slice(1)} />;
  return <Patients />;
}

interface TopProps {
  readonly place: string;
  readonly session: Session;
  readonly signedIn: boolean;
  readonly onSwitch: () => void;
  readonly onSignOut: () => void;
}

function Top({ place, session, signedIn, onSwitch, onSignOut }: TopProps): JSX.Element {
  const current = WITHIN[place] ?? place;
  return (
    <header class="top">
      <a class="brand" href="#/patients">
        Cenote
      </a>
      <nav aria-label="Places">
        {PLACES.map(([name, title]) => (
          <a key={name} href={`#/${name}`} aria-current={current === name ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <span class="account">
        <button
          type="button"
          class="tenant"
          onClick={onSwitch}
          aria-label={`Tenant ${session.tenant}: open another`}
        >
          {session.tenant}
        </button>
        {signedIn && (
          <button type="button" class="tenant" onClick={onSignOut}>
            Sign out
          </button>
        )}
      </span>
    </header>
  );
}

/** A new place begins at its top, has its name in the title, and is where the keyboard goes on. */
function usePlaceFocus(main: { readonly current: HTMLElement | null }, at: string, title: string): void {
  const shown = useRef(at);
  useEffect(() => {
    document.title = `${title} · Cenote`;
    if (shown.current === at) return;
    shown.current = at;
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [at, title, main]);
}
