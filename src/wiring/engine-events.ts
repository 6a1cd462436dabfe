import { securityEvent } from '../infra/logger.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { EngineEvents } from '../oidc/listeners.ts';

/** Counters and log lines for what the engine tells. */
export const engineEvents = ({ log, metrics }: Infrastructure): EngineEvents => ({
  tokenIssued(grantType) {
    if (grantType === 'refresh_token') metrics.refreshTotal.inc({ result: 'success' });
  },
  tokenRefused(grantType) {
    if (grantType === 'refresh_token') metrics.refreshTotal.inc({ result: 'failure' });
  },
  refreshReplayed: (userId) =>
    securityEvent(log, 'security.refresh_replay_detected', { userId: userId ?? null }),
  serverError: (error) => log.error({ err: error }, 'engine error'),
  keysSwapped: (kids) => log.info({ kids }, 'signing keys changed'),
});
