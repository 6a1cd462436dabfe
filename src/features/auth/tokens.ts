import type { SignedIn } from '../sign-in/index.ts';

/** The tokens of a first-party sign-in, as any OIDC client would get them. */
export interface TokenSet {
  accessToken: string;
  refreshToken: string;
  /** Seconds that the access token lives. */
  expiresIn: number;
  /** Space-separated (RFC 6749 3.3). */
  scope: string;
  /** The session that they belong to: a row like those of the hosted pages. */
  sessionId: string;
}

/** The token engine as the first-party API needs it; `oidc/` implements it. */
export interface Tokens {
  /**
   * Begins a session of the person and issues its first tokens.
   * @param tenantId the acting tenant (`tid`)
   * @throws AppError IDENT_UNAVAILABLE
   */
  begin(signedIn: SignedIn, tenantId: string): Promise<TokenSet>;
  /**
   * Rotates: the token is used up, a new pair comes.
   * @throws AppError IDENT_REFRESH_REPLAY for a token that was used before, after its session
   *   was ended; IDENT_UNAUTHENTICATED for any other that is not valid
   */
  refresh(refreshToken: string): Promise<TokenSet & { userId: string }>;
}
