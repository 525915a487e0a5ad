import { AUTHENTICATION } from './authentication.js';
import { AUTHORISATION } from './authorisation.js';
import { BORDERS } from './borders.js';
import { INJECTION } from './injection.js';
import { LOAD } from './load.js';
import { OPERATION } from './operation.js';
import { OUTSIDE } from './outside.js';
import { PARSER } from './parser.js';
import { STORAGE } from './storage.js';
import { TIMING } from './timing.js';
import type { Row } from './trial.js';

/**
 * The attack catalogue, tried against the API by `npm run test:security`, the quick rows by `npm test` too. SECURITY.md
 * says which rows are shown by other tests, and which cannot apply.
 */
export const ROWS: readonly Row[] = [
  ...AUTHENTICATION,
  ...PARSER,
  ...LOAD,
  ...AUTHORISATION,
  ...BORDERS,
  ...INJECTION,
  ...OUTSIDE,
  ...STORAGE,
  ...TIMING,
  ...OPERATION,
];
