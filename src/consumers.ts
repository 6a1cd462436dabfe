import type { Deps } from './deps.ts';
import { verificationConsumers } from './features/verification/index.ts';
import type { EventConsumer } from './kernel/events.ts';

/** All that follows from events inside this service; each is told of an event once or more. */
export const createConsumers = (deps: Deps): EventConsumer[] => [
  ...verificationConsumers({
    ...deps,
    addressDigest: (address) => deps.lookups.digest('address', address),
    issuer: deps.config.ISSUER,
  }),
];
