import type { Config } from '../config.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { createApprovals } from '../oidc/ciba/approvals.ts';
import { createCiba } from '../oidc/ciba/hooks.ts';
import { createPings, PING_RETRIES } from '../oidc/ciba/pings.ts';
import type { AccountMeans, Accounts } from './accounts.ts';
import type { Features } from './features.ts';
import type { Web } from './web.ts';

/** What CIBA stands on: links to requests, and pings of clients. */
export function createCibaParts(
  config: Config,
  infra: Infrastructure,
  features: Features,
  accounts: Accounts,
  web: Web,
  { messenger, lookups, engine }: AccountMeans,
) {
  const approvals = createApprovals(infra);
  const pings = createPings({
    ...infra,
    queue: infra.queues.create('ciba-ping', PING_RETRIES),
    send: (authReqId) => engine().current().sendPing(authReqId),
    onResult: (result) => infra.metrics.pingTotal.inc({ result }),
  });
  const ciba = createCiba({
    ...infra,
    ...features,
    ...web,
    lookups,
    issuer: config.ISSUER,
    isLocked: accounts.signIn.isLocked,
    messenger,
    approvals,
  });
  return { approvals, pings, ciba };
}
