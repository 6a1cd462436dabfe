import cluster, { type Worker } from 'node:cluster';
import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  Registry,
} from 'prom-client';
import { newId } from '../kernel/ids.ts';

/** Seconds; close together where the target lies (sign-in p99 300 ms beyond hashing). */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10];

/** Milliseconds that a process waits for the figures of the others. */
const CLUSTER_TIMEOUT = 6_000;

/** Everything that this process counts; labels come from bounded sets only. */
export interface Metrics {
  readonly loginTotal: Counter<'result'>;
  readonly registerTotal: Counter<'result'>;
  readonly refreshTotal: Counter<'result'>;
  readonly sessionRevokedTotal: Counter;
  readonly backchannelLogoutTotal: Counter<'result'>;
  readonly mailTotal: Counter<'result'>;
  readonly otpTotal: Counter<'namespace' | 'result'>;
  readonly smsTotal: Counter<'result'>;
  readonly pingTotal: Counter<'result'>;
  readonly breachCheckTotal: Counter<'result'>;
  readonly dependencyUp: Gauge<'dep'>;
  readonly hashQueueDepth: Gauge;
  readonly outboxLagSeconds: Gauge;
  readonly outboxSinkLagSeconds: Gauge<'sink'>;
  readonly outboxPublishedTotal: Counter<'sink'>;
  readonly outboxSinkFailuresTotal: Counter<'sink'>;
  readonly keyAgeSeconds: Gauge;
  /** One finished request; fits `observe` of the request context. */
  observeRequest(request: { route: string; method: string; status: number; seconds: number }): void;
  /**
   * Runs `work` before each reading, in every process of a cluster: for gauges
   * that are asked rather than told. A failure is left out of the reading.
   */
  onCollect(work: () => Promise<void> | void): void;
  /** The exposition text: of all processes in a cluster, else of this one. */
  renderMetrics(): Promise<string>;
  readonly contentType: string;
}

interface Question {
  type: 'gatehouse:metrics?';
  id: string;
}
interface Answer {
  type: 'gatehouse:metrics!';
  id: string;
  text?: string;
  error?: string;
}

const isMessage = <T extends Question | Answer>(message: unknown, type: T['type']): message is T =>
  typeof message === 'object' && message !== null && 'type' in message && message.type === type;

/**
 * Lets the primary of a cluster answer its workers with the figures of all of
 * them. Call it once there, before the first fork. @returns a function that ends it
 */
export function serveClusterMetrics(): () => void {
  const all = new AggregatorRegistry();
  const answer = async (worker: Worker, message: unknown) => {
    if (!isMessage<Question>(message, 'gatehouse:metrics?')) return;
    const base = { type: 'gatehouse:metrics!', id: message.id } as const;
    const reply: Answer = await all.clusterMetrics().then(
      (text) => ({ ...base, text }),
      (error: Error) => ({ ...base, error: error.message }),
    );
    if (worker.isConnected()) worker.send(reply);
  };
  cluster.on('message', answer);
  return () => void cluster.off('message', answer);
}

/** Asks the primary for the figures of all workers. */
function askPrimary(): Promise<string> {
  const question: Question = { type: 'gatehouse:metrics?', id: newId() };
  return new Promise((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      process.off('message', onMessage);
    };
    const onMessage = (message: unknown) => {
      if (!isMessage<Answer>(message, 'gatehouse:metrics!') || message.id !== question.id) return;
      finish();
      if (message.text === undefined) reject(new Error(message.error));
      else resolve(message.text);
    };
    const timer = setTimeout(() => {
      finish();
      reject(new Error('the primary did not answer'));
    }, CLUSTER_TIMEOUT);
    process.on('message', onMessage);
    process.send?.(question);
  });
}

function createInstruments(registry: Registry, collect: () => Promise<void>) {
  const registers = [registry];
  return {
    registerTotal: new Counter({
      name: 'auth_register_total',
      help: 'Registrations by result: success, taken (the address has an account), failure',
      labelNames: ['result'],
      registers,
    }),
    loginTotal: new Counter({
      name: 'auth_login_total',
      help: 'Sign-ins by result',
      labelNames: ['result'],
      registers,
    }),
    refreshTotal: new Counter({
      name: 'auth_refresh_total',
      help: 'Uses of refresh tokens by result',
      labelNames: ['result'],
      registers,
    }),
    sessionRevokedTotal: new Counter({
      name: 'auth_session_revoked_total',
      help: 'Sessions ended before their time',
      registers,
    }),
    backchannelLogoutTotal: new Counter({
      name: 'auth_backchannel_logout_total',
      help: 'Tries to tell a client of a logout, by result',
      labelNames: ['result'],
      registers,
    }),
    mailTotal: new Counter({
      name: 'auth_mail_total',
      help: 'Mails by result of each try: sent, retried, failed, expired; refused without a server',
      labelNames: ['result'],
      registers,
    }),
    otpTotal: new Counter({
      name: 'auth_otp_total',
      help: 'One-time codes by result of each request and try',
      labelNames: ['namespace', 'result'],
      registers,
    }),
    smsTotal: new Counter({
      name: 'auth_sms_total',
      help: 'SMS by result of each try: sent, retried, failed, expired; refused without a provider',
      labelNames: ['result'],
      registers,
    }),
    pingTotal: new Counter({
      name: 'auth_ciba_ping_total',
      help: 'Notifications of CIBA clients by result of each try: sent, retried, failed',
      labelNames: ['result'],
      registers,
    }),
    breachCheckTotal: new Counter({
      name: 'auth_breach_check_total',
      help: 'New passwords looked up among those of breaches: known, unknown, unavailable',
      labelNames: ['result'],
      registers,
    }),
    // Down for one process is down for the whole.
    dependencyUp: new Gauge({
      name: 'auth_dependency_up',
      help: 'Whether a dependency answers (1) or not (0)',
      labelNames: ['dep'],
      aggregator: 'min',
      registers,
      collect,
    }),
    hashQueueDepth: new Gauge({
      name: 'auth_hash_queue_depth',
      help: 'Password hashes that wait for a core',
      aggregator: 'sum',
      registers,
      collect,
    }),
    outboxLagSeconds: new Gauge({
      name: 'auth_outbox_lag_seconds',
      help: 'Age of the oldest event that is not in the audit log and with every sink',
      aggregator: 'max',
      registers,
      collect,
    }),
    outboxSinkLagSeconds: new Gauge({
      name: 'auth_outbox_sink_lag_seconds',
      help: 'Age of the oldest event that a sink has not got',
      labelNames: ['sink'],
      aggregator: 'max',
      registers,
      collect,
    }),
    outboxPublishedTotal: new Counter({
      name: 'auth_outbox_published_total',
      help: 'Events given to a sink',
      labelNames: ['sink'],
      registers,
    }),
    outboxSinkFailuresTotal: new Counter({
      name: 'auth_outbox_sink_failures_total',
      help: 'Batches of events that a sink did not take',
      labelNames: ['sink'],
      registers,
    }),
    keyAgeSeconds: new Gauge({
      name: 'auth_key_age_seconds',
      help: 'Age of the oldest current signing key',
      aggregator: 'max',
      registers,
      collect,
    }),
  };
}

/** Makes the metrics of this process (contract: operations), with those of Node itself. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const work: (() => Promise<void> | void)[] = [];
  collectDefaultMetrics({ register: registry });
  // Every gauge waits for the same run of the work, whichever of them is read first.
  let running: Promise<unknown> | null = null;
  const collect = async () => {
    running ??= Promise.allSettled(work.map(async (one) => one())).finally(() => {
      running = null;
    });
    await running;
  };
  const duration = new Histogram({
    name: 'auth_http_request_duration_seconds',
    help: 'Time from request to answer',
    labelNames: ['route', 'method', 'status'],
    buckets: DURATION_BUCKETS,
    registers: [registry],
  });
  const instruments = createInstruments(registry, collect);
  if (cluster.isWorker) {
    AggregatorRegistry.setRegistries(registry);
    // Its constructor is what makes a worker answer the primary.
    new AggregatorRegistry();
  }
  return {
    ...instruments,
    contentType: registry.contentType,
    observeRequest: ({ route, method, status, seconds }) => {
      duration.observe({ route, method, status }, seconds);
    },
    onCollect: (one) => {
      work.push(one);
    },
    renderMetrics: () => (cluster.isWorker ? askPrimary() : registry.metrics()),
  };
}
