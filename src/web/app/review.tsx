import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { type Resource, request } from './api.js';

const REVIEW = 'https://cenote.health/fhir/CodeSystem/review';

/** Confirm or reject a fact that was derived from a note; the decision outlives every later reading of it. */
export function Review({ resource }: { resource: Resource }): JSX.Element {
  const [decided, setDecided] = useState(resource.meta?.tag?.find((t) => t.system === REVIEW)?.code);
  const [comment, setComment] = useState('');
  const [problem, setProblem] = useState('');
  const decide = async (decision: 'confirmed' | 'rejected') => {
    setProblem('');
    try {
      await request(`${resource.resourceType}/${resource.id}/$review`, {
        method: 'POST',
        body: { decision, ...(comment.trim() && { comment: comment.trim() }) },
      });
      setDecided(decision);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <div class="review">
      <h3>Is it right?</h3>
      {decided && (
        <p role="status">
          A person has <strong>{decided}</strong> it.
        </p>
      )}
      <input
        aria-label="Comment"
        placeholder="Comment (optional)"
        value={comment}
        onInput={(e) => setComment(e.currentTarget.value)}
      />
      <p>
        <button type="button" onClick={() => decide('confirmed')}>
          Confirm
        </button>{' '}
        <button type="button" onClick={() => decide('rejected')}>
          Reject
        </button>
      </p>
      {problem && (
        <p class="error" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}
