import type { Deps } from './deps.ts';
import { OUTBOX_CHANNEL } from './features/outbox/index.ts';
import type { Job } from './worker.ts';

/** The background work of a deployment; each may run in several replicas at once. */
export function createJobs(deps: Deps): Job[] {
  return [
    {
      name: 'outbox',
      interval: 1_000,
      // Under load the events of a quarter of a second leave together.
      rest: 250,
      wokenBy: OUTBOX_CHANNEL,
      run: () => deps.outbox.run(),
    },
    { name: 'outbox-purge', interval: 60_000, run: () => deps.outbox.purge() },
    // Redis may have lost it while nobody was connected.
    { name: 'revocation-set', interval: 600_000, run: () => deps.sessions.restoreRevocations() },
    { name: 'key-rotation', interval: 5_000, run: () => deps.keyRotation.tick() },
    // What the queue never got, or lost with Redis.
    { name: 'backchannel-logout-sweep', interval: 10_000, run: () => deps.logouts.sweep() },
    { name: 'backchannel-logout-purge', interval: 60_000, run: () => deps.logouts.purge() },
    {
      name: 'unused-registrations',
      interval: 600_000,
      run: () =>
        deps.clients.purgeUnused({
          age: deps.config.DYNAMIC_REGISTRATION_UNUSED_DAYS * 24 * 3_600_000,
          batch: 500,
        }),
    },
    // What neither the request nor the consumer of the event completed.
    { name: 'erasures', interval: 60_000, run: () => deps.lifecycle.sweepErasures() },
    { name: 'unproven-accounts', interval: 600_000, run: () => deps.lifecycle.eraseExpired() },
    { name: 'unconfirmed-apps', interval: 600_000, run: () => deps.totp.purgePending() },
    { name: 'expired-artefacts', interval: 30_000, run: () => deps.purgeExpired() },
  ];
}

/** Works off the queues in this process, until the queues are closed. */
export function startConsumers(deps: Deps): void {
  deps.logouts.consume();
  deps.eventQueue.consume();
  deps.posts.start();
  deps.pings.start();
}
