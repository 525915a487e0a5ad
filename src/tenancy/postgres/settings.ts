import { totalmem } from 'node:os';

const MIB = 1024 * 1024;

/** An eighth of the memory, between 64 MB and 1 GB: the rest is the page cache's and Node's. */
export function sharedBuffersMib(memoryBytes = totalmem()): number {
  return Math.min(1024, Math.max(64, Math.floor(memoryBytes / 8 / MIB)));
}

/**
 * Server settings, given on the command line at each start so that an upgrade changes them everywhere.
 * The logging rows are there for privacy: the server's log must hold no value of any statement.
 */
export function serverSettings(port: number): Record<string, string> {
  return {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    // 50 open tenants keep few connections each; an unused slot costs a few kB.
    max_connections: '300',
    shared_buffers: `${sharedBuffersMib()}MB`,
    work_mem: '16MB',
    maintenance_work_mem: '128MB',
    effective_io_concurrency: '16',
    random_page_cost: '1.1',
    // Queries are short and many; workers would take the cores from other clients.
    max_parallel_workers_per_gather: '0',
    jit: 'off',
    // Durable: a commit that was answered survives a power cut.
    synchronous_commit: 'on',
    fsync: 'on',
    full_page_writes: 'on',
    // The packaged build has neither lz4 nor zstd. Its own pglz makes the log of a load a tenth shorter where checkpoints
    // happen, and everything a load costs a quarter more: keys are hashes, so that each checkpoint has all pages logged.
    wal_compression: 'off',
    max_wal_size: '2GB',
    min_wal_size: '256MB',
    checkpoint_timeout: '15min',
    checkpoint_completion_target: '0.9',
    autovacuum_max_workers: '2',
    autovacuum_naptime: '20s',
    log_min_messages: 'log',
    log_min_error_statement: 'panic',
    log_error_verbosity: 'terse',
    log_parameter_max_length: '0',
    log_parameter_max_length_on_error: '0',
    log_statement: 'none',
    log_min_duration_statement: '-1',
    log_checkpoints: 'off',
    log_lock_waits: 'off',
    log_autovacuum_min_duration: '-1',
    track_activity_query_size: '100',
    logging_collector: 'off',
    cluster_name: 'cenote',
    timezone: 'UTC',
    log_timezone: 'UTC',
  };
}
