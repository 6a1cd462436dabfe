import { createHealth, type Health } from '../infra/health.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { EngineHost } from '../oidc/host.ts';
import type { EventParts } from './events.ts';

/** Milliseconds that a dependency has to answer a health check. */
const CHECK_TIMEOUT = 1_000;

export function createProbes(
  infra: Infrastructure,
  engine: EngineHost,
  { outbox, brokers }: EventParts,
): Health {
  const { metrics, postgres, redis, passwords, clock } = infra;
  const health = createHealth({
    checks: {
      postgres: () => postgres.ping(),
      redis: async () => {
        await redis.ping();
      },
      ...Object.fromEntries(brokers.map((broker) => [broker.name, () => broker.ping()])),
    },
    clock,
    timeoutMs: CHECK_TIMEOUT,
    onResult: (dep, isUp) => metrics.dependencyUp.set({ dep }, isUp ? 1 : 0),
  });
  metrics.onCollect(async () => {
    metrics.hashQueueDepth.set(passwords.queueDepth());
    metrics.keyAgeSeconds.set(engine.keyAge(clock.now()));
    const lag = await outbox.lag();
    metrics.outboxLagSeconds.set(lag.total);
    for (const [sink, seconds] of Object.entries(lag.sinks)) {
      metrics.outboxSinkLagSeconds.set({ sink }, seconds);
    }
  });
  metrics.onCollect(async () => {
    await health.ready();
  });
  return health;
}
