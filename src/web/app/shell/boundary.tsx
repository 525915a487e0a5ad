import { Component, type ComponentChildren, type JSX } from 'preact';

interface Props {
  /** The place shown; another one gets a new chance. */
  readonly place: string;
  readonly children: ComponentChildren;
}

/** A mistake in one place leaves the rest of the page standing, and says nothing of the record it happened in. */
export class Boundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static override getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidUpdate(before: Props): void {
    if (this.state.failed && before.place !== this.props.place) this.setState({ failed: false });
  }

  override render(): JSX.Element {
    if (!this.state.failed) return <>{this.props.children}</>;
    return (
      <section role="alert">
        <h1>This place failed</h1>
        <p>Something on this page went wrong. The records on the server are not touched by it.</p>
        <p>
          <button type="button" onClick={() => this.setState({ failed: false })}>
            Try again
          </button>{' '}
          <button type="button" onClick={() => location.reload()}>
            Load the page anew
          </button>
        </p>
      </section>
    );
  }
}
