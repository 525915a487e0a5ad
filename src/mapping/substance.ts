/** What is used, by the types of Amazon Comprehend Medical. */
export type Substance = 'TOBACCO_USE' | 'ALCOHOL_CONSUMPTION' | 'REC_DRUG_USE';

const SUBSTANCES: readonly { readonly words: RegExp; readonly type: Substance }[] = [
  { words: /smok|tobacco|cigar|nicotine|vap(?:e|ing)|snuff|\bchew|\bpacks?\b|\bppd\b/i, type: 'TOBACCO_USE' },
  { words: /alcohol|drink|etoh|teetotal|abstainer|\b(?:beer|wine|liquor)s?\b/i, type: 'ALCOHOL_CONSUMPTION' },
  {
    words:
      /drug|cocaine|heroin|marijuana|cannabis|opioid|opiate|amphetamine|\bmeth\b|\bweed\b|\bmdma\b|\biv ?du\b|\bivda\b/i,
    type: 'REC_DRUG_USE',
  },
];

/** The substance whose use the words of a social finding name; undefined for any other circumstance of life. */
export function substanceOf(words: string): Substance | undefined {
  return SUBSTANCES.find((row) => row.words.test(words))?.type;
}
