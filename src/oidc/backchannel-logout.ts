import type { Client, Provider } from 'oidc-provider';
import type { LogoutAnswer, LogoutFailure, SendLogout } from '../features/logout-delivery/index.ts';
import { type Outbound, OutboundRefusedError } from '../infra/outbound.ts';
import { newId } from '../kernel/ids.ts';

/** Members of the engine's ID token that its types leave out. */
interface LogoutToken {
  mask: Record<string, null>;
  set(name: string, value: unknown): void;
  issue(options: { use: 'logout' }): Promise<string>;
}

/**
 * A logout token as the engine makes it: signed (and encrypted, if the client
 * asks) like the client's ID tokens, `sub` as the client knows it, good for two
 * minutes. Two deviations: `sid` is always there, since without it a client ends
 * all sessions of the person (Back-Channel Logout 1.0, 2.7); and each try makes
 * a token of its own, with its own `jti`, as a client refuses one that it has
 * seen (2.6) although it may have failed to act on it.
 */
async function createLogoutToken(
  provider: Provider,
  client: Client,
  facts: { userId: string; sessionId: string },
): Promise<string> {
  const token = new provider.IdToken(
    { sub: facts.userId },
    { client, ctx: undefined as never },
  ) as unknown as LogoutToken;
  token.mask = { sub: null };
  token.set('events', { 'http://schemas.openid.net/event/backchannel-logout': {} });
  token.set('jti', newId());
  token.set('sid', facts.sessionId);
  return token.issue({ use: 'logout' });
}

const failed = (failure: LogoutFailure, isPermanent = false): LogoutAnswer => ({
  isDelivered: false,
  failure,
  isPermanent,
});

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** Whether an error or what caused it fits. */
const isCausedBy = (error: unknown, fits: (one: Error) => boolean): boolean =>
  error instanceof Error && (fits(error) || isCausedBy(error.cause, fits));

function toFailure(error: unknown): LogoutAnswer {
  if (isCausedBy(error, (one) => one instanceof OutboundRefusedError)) {
    return failed('address_refused', true);
  }
  const isTimeout = isCausedBy(error, ({ name }) => /Timeout/.test(name));
  return failed(isTimeout ? 'timeout' : 'unreachable');
}

/** The answer of a client: it got the message, finds it wrong (400), or has trouble of its own. */
function toAnswer(status: number): LogoutAnswer {
  if (status === 200 || status === 204) return { isDelivered: true, status };
  return { ...failed('status', status === 400), status };
}

/** Tells clients of ended sessions (OpenID Connect Back-Channel Logout 1.0, 2.5). */
export const createSendLogout =
  (deps: { provider(): Provider; outbound: Pick<Outbound, 'fetch'> }): SendLogout =>
  async (logout) => {
    const provider = deps.provider();
    const client = await provider.Client.find(logout.clientId);
    const uri = client?.backchannelLogoutUri;
    if (!client || !uri) return failed('no_receiver', true);
    let body: string;
    try {
      const logout_token = await createLogoutToken(provider, client, logout);
      body = new URLSearchParams({ logout_token }).toString();
    } catch (cause) {
      return { ...failed('token'), cause };
    }
    try {
      const response = await deps.outbound.fetch(uri, { method: 'POST', headers: FORM, body });
      await response.body?.cancel();
      return toAnswer(response.status);
    } catch (cause) {
      return { ...toFailure(cause), cause };
    }
  };
