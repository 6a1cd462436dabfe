import { configurationEvents } from './features/configuration/index.ts';
import { mfaEvents } from './features/mfa/index.ts';
import { sessionEvents } from './features/session/index.ts';
import { signInEvents } from './features/sign-in/index.ts';
import { trustedIssuerEvents } from './features/trusted-issuer/index.ts';
import { userEvents } from './features/user/index.ts';
import { verificationEvents } from './features/verification/index.ts';
import type { EventType } from './kernel/events.ts';
import { keyEvents } from './oidc/keys/events.ts';
import { tokenExchangeEvents } from './oidc/token-exchange/events.ts';

/** Every event that this service publishes, by type. */
export const EVENTS: EventType[] = [
  sessionEvents,
  signInEvents,
  userEvents,
  mfaEvents,
  verificationEvents,
  keyEvents,
  tokenExchangeEvents,
  trustedIssuerEvents,
  configurationEvents,
]
  .flatMap((group): EventType[] => Object.values(group))
  .sort((a, b) => a.type.localeCompare(b.type));
