import type { SignedIn } from '../sign-in/index.ts';
import type { User } from '../user/index.ts';

/** The tokens of a first-party sign-in, as any OIDC client would get them, and whose they are. */
export interface TokenSet {
  accessToken: string;
  refreshToken: string;
  /** Seconds that the access token lives. */
  expiresIn: number;
  user: User;
}

/** The token engine as the first-party API needs it; `oidc/` implements it. */
export interface Tokens {
  /**
   * Begins a session of the person and issues its first tokens. They act in the
   * tenant asked for, if the person is a member of it, else in the home tenant.
   * @throws AppError IDENT_INVALID_CREDENTIALS when the account was closed in the meantime,
   *   IDENT_UNAVAILABLE
   */
  begin(signedIn: SignedIn, tenantId: string | null): Promise<TokenSet>;
  /**
   * Rotates: the token is used up, a new pair comes.
   * @throws AppError IDENT_REFRESH_REPLAY for a token that was used before, after its session
   *   was ended; IDENT_UNAUTHENTICATED for any other that is not valid; IDENT_UNAVAILABLE
   */
  refresh(refreshToken: string): Promise<TokenSet>;
}
