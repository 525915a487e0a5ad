import { join } from 'node:path';
import { segment } from '../1-segment/index.js';
import { tokenize } from '../1-segment/tokens.js';
import { mentionStage } from '../2-mention/index.js';
import { guessLabel, headerlessFeatures, loadHeaderless } from '../3-assertion/headerless.js';
import { assertion } from '../3-assertion/index.js';
import { attributeStage } from '../4-attribute/index.js';
import { createPipeline } from '../pipeline.js';
import { readCsv } from './corpora.js';
import type { Evaluation } from './score.js';

/** Kind of a section from its words alone: the set gives them without their header. */
export const evaluate: Evaluation = (folder) => {
  const model = loadHeaderless();
  const reader = createPipeline('evaluation', [segment, mentionStage, assertion, attributeStage]);
  const rows = readCsv(join(folder, 'sections', 'mts-ValidationSet.csv'));
  let right = 0;
  for (const row of rows) {
    const text = row.section_text!;
    const features = headerlessFeatures(text, tokenize(text), reader.annotate(text, { id: 'part' }).mentions);
    if (guessLabel(model, features).label === row.section_header!.trim()) right++;
  }
  return [
    {
      what: 'Section kind, without header',
      data: 'sections, validation, trained on train, visit-notes train and our own texts',
      documents: rows.length,
      rule: 'accuracy over 20 labels',
      value: right / Math.max(1, rows.length),
    },
  ];
};
