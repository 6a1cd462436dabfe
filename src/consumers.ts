import type { Deps } from './deps.ts';
import { authenticatorConsumers } from './features/authenticator/index.ts';
import { passwordConsumers } from './features/password/index.ts';
import { signInConsumers } from './features/sign-in/index.ts';
import { signUpConsumers } from './features/sign-up/index.ts';
import { userEvents } from './features/user/index.ts';
import { verificationConsumers } from './features/verification/index.ts';
import { consumer, type EventConsumer } from './kernel/events.ts';

/** All that follows from events inside this service; each is told of an event once or more. */
export const createConsumers = (deps: Deps): EventConsumer[] => [
  // For a process that died after the commit, and for sign-ins that were under way.
  consumer('suspension', userEvents.suspended, ({ userId }) =>
    deps.lifecycle.completeClosing(userId),
  ),
  consumer('erasure', userEvents.deactivated, ({ userId }) =>
    deps.lifecycle.completeClosing(userId),
  ),
  ...authenticatorConsumers({ ...deps, issuer: deps.config.ISSUER }),
  ...passwordConsumers({ ...deps, issuer: deps.config.ISSUER }),
  ...signInConsumers({ ...deps, knex: deps.postgres.knex, issuer: deps.config.ISSUER }),
  ...signUpConsumers({ ...deps, issuer: deps.config.ISSUER }),
  ...verificationConsumers({
    ...deps,
    addressDigest: (address) => deps.lookups.digest('address', address),
    issuer: deps.config.ISSUER,
  }),
];
