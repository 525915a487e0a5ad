/** A number of permits, given out in the order they were asked for. */
export class Semaphore {
  private free: number;
  private readonly waiting = new Set<() => void>();

  constructor(permits: number) {
    this.free = permits;
  }

  /** Takes a permit if one is free and nobody waits for it. */
  tryAcquire(): boolean {
    if (this.free === 0 || this.waiting.size > 0) return false;
    this.free -= 1;
    return true;
  }

  /** Waits for a permit until `deadline`, ms since the epoch; false when there was none by then. */
  acquire(deadline: number): Promise<boolean> {
    if (this.tryAcquire()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const granted = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(
        () => {
          this.waiting.delete(granted);
          resolve(false);
        },
        Math.max(0, deadline - Date.now()),
      );
      this.waiting.add(granted);
    });
  }

  release(): void {
    const [next] = this.waiting;
    if (next) {
      // The permit goes over to the one that has waited longest.
      this.waiting.delete(next);
      next();
    } else this.free += 1;
  }
}
