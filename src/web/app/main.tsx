import './style.css';
import './shell/shell.css';
import { render } from 'preact';
import { useSession } from './api.js';
import { App } from './shell/app.js';
import { arrive } from './shell/smart.js';

const arrival = await arrive();
if (arrival && 'session' in arrival) {
  useSession(arrival.session);
  if (arrival.patient) location.hash = `#/patient/${encodeURIComponent(arrival.patient)}`;
}
render(<App why={arrival && 'why' in arrival ? arrival.why : undefined} />, document.getElementById('app')!);
