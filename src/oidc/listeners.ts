import type { KoaContextWithOIDC, Provider } from 'oidc-provider';

/** What the engine tells the rest of the service; counters and log lines, no work. */
export interface EngineEvents {
  tokenIssued(grantType: string): void;
  tokenRefused(grantType: string): void;
  refreshReplayed(accountId: string | undefined): void;
  serverError(error: unknown): void;
  keysSwapped(kids: string[]): void;
}

const grantTypeOf = (ctx: KoaContextWithOIDC): string => {
  const grantType = ctx.oidc.params?.grant_type;
  return typeof grantType === 'string' ? grantType : 'none';
};

/**
 * Listens to one engine. A listener that throws turns the answer into a 500,
 * so each only counts or logs, and none can throw.
 */
export function listen(provider: Provider, events: EngineEvents): void {
  provider.on('grant.success', (ctx) => events.tokenIssued(grantTypeOf(ctx)));
  provider.on('grant.error', (ctx) => events.tokenRefused(grantTypeOf(ctx)));
  provider.on('server_error', (_ctx, error) => events.serverError(error));
  provider.on('backchannel.error', (_ctx, error) => events.serverError(error));
}
