import './style.css';
import './shell/shell.css';
import { render } from 'preact';
import { App } from './shell/app.js';

render(<App />, document.getElementById('app')!);
