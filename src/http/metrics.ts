/** Counters for `/metrics` in the Prometheus text format. No tenant, id or parameter is ever a label. */
export interface Metrics {
  observe(interaction: string, status: number, seconds: number): void;
  enter(): void;
  leave(): void;
  text(): string;
}

const BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

interface Histogram {
  readonly counts: number[];
  sum: number;
  total: number;
}

export function createMetrics(): Metrics {
  const requests = new Map<string, number>();
  const durations = new Map<string, Histogram>();
  let inFlight = 0;
  return {
    observe(interaction, status, seconds) {
      const key = `interaction="${interaction}",status="${Math.floor(status / 100)}xx"`;
      requests.set(key, (requests.get(key) ?? 0) + 1);
      let histogram = durations.get(interaction);
      if (!histogram) {
        histogram = { counts: BUCKETS_S.map(() => 0), sum: 0, total: 0 };
        durations.set(interaction, histogram);
      }
      histogram.sum += seconds;
      histogram.total++;
      BUCKETS_S.forEach((limit, i) => {
        if (seconds <= limit) histogram.counts[i]!++;
      });
    },
    enter: () => void inFlight++,
    leave: () => void inFlight--,
    text() {
      const memory = process.memoryUsage();
      const lines = [
        '# HELP cenote_http_requests_total Requests answered.',
        '# TYPE cenote_http_requests_total counter',
        ...[...requests].map(([labels, n]) => `cenote_http_requests_total{${labels}} ${n}`),
        '# HELP cenote_http_request_seconds Time from the request to the end of its answer.',
        '# TYPE cenote_http_request_seconds histogram',
        ...[...durations].flatMap(([interaction, { counts, sum, total }]) => [
          ...BUCKETS_S.map(
            (limit, i) =>
              `cenote_http_request_seconds_bucket{interaction="${interaction}",le="${limit}"} ${counts[i]}`,
          ),
          `cenote_http_request_seconds_bucket{interaction="${interaction}",le="+Inf"} ${total}`,
          `cenote_http_request_seconds_sum{interaction="${interaction}"} ${sum}`,
          `cenote_http_request_seconds_count{interaction="${interaction}"} ${total}`,
        ]),
        '# HELP cenote_http_requests_in_flight Requests being answered.',
        '# TYPE cenote_http_requests_in_flight gauge',
        `cenote_http_requests_in_flight ${inFlight}`,
        '# HELP process_resident_memory_bytes Resident memory.',
        '# TYPE process_resident_memory_bytes gauge',
        `process_resident_memory_bytes ${memory.rss}`,
        '# HELP nodejs_heap_used_bytes Heap in use.',
        '# TYPE nodejs_heap_used_bytes gauge',
        `nodejs_heap_used_bytes ${memory.heapUsed}`,
        '# HELP process_uptime_seconds Time since the start.',
        '# TYPE process_uptime_seconds gauge',
        `process_uptime_seconds ${process.uptime()}`,
      ];
      return `${lines.join('\n')}\n`;
    },
  };
}
