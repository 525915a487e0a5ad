import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { request } from './api.js';
import { Legend, MarkedText, type Mention, MentionDetail } from './marked.js';

const EXAMPLE = `ASSESSMENT AND PLAN:
1. Type 2 diabetes, A1c 8.2%. Increase metformin to 1000 mg PO BID.
2. No evidence of neuropathy. Denies chest pain.
3. Mother had breast cancer; mammogram scheduled.
Allergies: penicillin (hives). He is not prescribed Advil.`;

export function TryIt(): JSX.Element {
  const [text, setText] = useState(EXAMPLE);
  const [read, setRead] = useState<{ text: string; mentions: Mention[] }>();
  const [chosen, setChosen] = useState<Mention>();
  const [problem, setProblem] = useState('');
  const submit = async () => {
    setProblem('');
    try {
      const body = { resourceType: 'Parameters', parameter: [{ name: 'text', valueString: text }] };
      const annotation = await request<{ mentions: Mention[] }>('$annotate', { method: 'POST', body });
      setRead({ text, mentions: annotation.mentions });
      setChosen(undefined);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <section>
      <h1>Try it</h1>
      <p class="quiet">Nothing of this is stored.</p>
      <textarea aria-label="A note" rows={8} value={text} onInput={(e) => setText(e.currentTarget.value)} />
      <p>
        <button type="button" onClick={submit} disabled={text.trim() === ''}>
          Read it
        </button>
      </p>
      {problem && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
      {read && (
        <>
          <Legend mentions={read.mentions} />
          <div class="columns">
            <MarkedText text={read.text} mentions={read.mentions} chosen={chosen} onChoose={setChosen} />
            {chosen && <MentionDetail mention={chosen} />}
          </div>
        </>
      )}
    </section>
  );
}
