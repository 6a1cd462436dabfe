import { AppError } from '../../kernel/errors.ts';
import type { UserActor } from '../../kernel/http/index.ts';
import { API_CLIENT_ID, type StoredClient } from '../client/index.ts';
import { describeDevice, type Session, type SessionService } from '../session/index.ts';
import type { Claim, SignedIn, SignInService } from '../sign-in/index.ts';
import type { TenantService } from '../tenant/index.ts';
import type { LoginRequest, OwnSessions, TokenResponse } from './schema.ts';
import type { TokenSet, Tokens } from './tokens.ts';

export interface AuthDeps {
  tokens: Tokens;
  signIn: Pick<SignInService, 'withPassword'>;
  sessions: Pick<SessionService, 'end' | 'endAllOf' | 'list'>;
  tenants: Pick<TenantService, 'findByName'>;
  /** An enabled client, by id. */
  findClient(clientId: string): Promise<StoredClient | undefined>;
}

/** The members of a person that the answer names; the others are not told. */
const toResponse = ({ accessToken, refreshToken, expiresIn, user }: TokenSet): TokenResponse => ({
  accessToken,
  refreshToken,
  tokenType: 'Bearer',
  expiresIn,
  user: {
    id: user.id,
    tenantId: user.tenantId,
    status: user.status,
    email: user.email,
    emailVerified: user.emailVerified,
    phone: user.phone,
    phoneVerified: user.phoneVerified,
    username: user.username,
    name: user.name,
    locale: user.locale,
  },
});

/** The session of the token that was presented. @throws AppError IDENT_INVALID_TRANSITION */
function sessionOf({ sessionId }: UserActor): string {
  if (sessionId !== null) return sessionId;
  throw new AppError('IDENT_INVALID_TRANSITION', { detail: 'The token belongs to no session' });
}

const nameOf = (client: StoredClient | undefined): string | null => {
  const name = client?.metadata.client_name;
  return typeof name === 'string' ? name : null;
};

export type AuthService = ReturnType<typeof createAuthService>;

/** Sign-in and sign-out of the first-party API, and one's own sessions. */
export function createAuthService(deps: AuthDeps) {
  const { tokens, sessions } = deps;

  /** The names of all clients that these sessions are signed in to. */
  async function findNames(listed: readonly Session[]): Promise<Map<string, string | null>> {
    const ids = [...new Set(listed.flatMap(({ clients }) => clients))];
    const found = await Promise.all(ids.map((id) => deps.findClient(id)));
    return new Map(ids.map((id, index) => [id, nameOf(found[index])]));
  }

  /**
   * Completes a sign-in: begins a session and issues its tokens. They act in the
   * tenant asked for, if the person is a member of it, else in the home tenant.
   * @throws AppError IDENT_INVALID_CREDENTIALS when the account was closed in the meantime,
   *   IDENT_UNAVAILABLE
   */
  const complete = async (
    signedIn: SignedIn,
    { tenantId }: Pick<Claim, 'tenantId'>,
  ): Promise<TokenResponse> => toResponse(await tokens.begin(signedIn, tenantId ?? null));

  return {
    complete,

    /**
     * Signs a person in by password.
     * @throws AppError IDENT_INVALID_CREDENTIALS, IDENT_RATE_LIMITED, IDENT_LOCKED,
     *   IDENT_HASH_BUSY, IDENT_MFA_REQUIRED, IDENT_UNAVAILABLE
     */
    async login(
      { identifier, password, tenant, acrValues }: LoginRequest,
      clientIp: string | null,
    ): Promise<TokenResponse> {
      const tenantId = tenant === undefined ? null : (await deps.tenants.findByName(tenant))?.id;
      const signedIn = await deps.signIn.withPassword({
        identifier,
        password,
        organisation: null,
        tenantId,
        acrValues,
        clientId: API_CLIENT_ID,
        clientIp,
      });
      return complete(signedIn, { tenantId });
    },

    /**
     * Uses a refresh token up for a new pair.
     * @throws AppError IDENT_REFRESH_REPLAY when it was used before: its session has ended;
     *   IDENT_UNAUTHENTICATED when it is not valid; IDENT_UNAVAILABLE
     */
    refresh: async (refreshToken: string): Promise<TokenResponse> =>
      toResponse(await tokens.refresh(refreshToken)),

    /**
     * Signs out of the session of the token; nothing happens where that has ended.
     * @throws AppError IDENT_INVALID_TRANSITION for a token without one, IDENT_UNAVAILABLE
     */
    async logout(actor: UserActor): Promise<void> {
      const { userId, homeTenantId: tenantId } = actor;
      await sessions.end({ userId, tenantId, sessionId: sessionOf(actor), reason: 'logout' });
    },

    /** Signs out everywhere, this session included. @throws AppError IDENT_UNAVAILABLE */
    async logoutAll({ userId }: UserActor): Promise<void> {
      await sessions.endAllOf(userId, { reason: 'logout_all' });
    },

    /** The person's live sessions, the one used last first; at most 200. */
    async listSessions({ userId, homeTenantId, sessionId }: UserActor): Promise<OwnSessions> {
      const listed = await sessions.list(homeTenantId, userId);
      const names = await findNames(listed);
      return {
        sessions: listed.map(({ userId: _, clients, ...session }) => ({
          ...session,
          current: session.id === sessionId,
          device: describeDevice(session.userAgent),
          clients: clients.map((clientId) => ({ clientId, name: names.get(clientId) ?? null })),
        })),
      };
    },

    /** Ends one of the person's own sessions. @throws AppError IDENT_NOT_FOUND, IDENT_UNAVAILABLE */
    async endSession({ userId, homeTenantId }: UserActor, sessionId: string): Promise<void> {
      const which = { userId, tenantId: homeTenantId, sessionId };
      const hasEnded = await sessions.end({ ...which, reason: 'ended_by_user' });
      if (!hasEnded) throw new AppError('IDENT_NOT_FOUND');
    },
  };
}
