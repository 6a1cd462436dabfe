import type { Context } from 'koa';

/** What the account page asks of a sign-in. */
export interface SignInRequest {
  /** The page to come back to: a path of the account page, with its query. */
  returnTo: string;
  /** A person has to prove again who they are, within `maxAge` seconds at least. */
  fresh?: { maxAge: number };
  /** The authentication context class that is needed. */
  acr?: string;
  /** Whether an account is to be chosen first. */
  choosesAccount?: boolean;
  /** The organisation whose sign-in page is shown. */
  tenant?: string;
}

/** How a sign-in came back. */
export type SignInOutcome =
  | { state: 'signed-in'; sessionId: string; userId: string; returnTo: string }
  /** Ended by the person, or by the engine with an error of the protocol. */
  | { state: 'refused'; error: string }
  /** Not one that this browser has begun, or too long ago. */
  | { state: 'unknown' };

/** Sign-in as the relying party that the account page is. */
export interface AccountSignIn {
  /** Sends the browser to sign in. */
  begin(ctx: Context, request: SignInRequest): void;
  /** Takes what the browser came back with. @throws AppError IDENT_UNAVAILABLE */
  finish(ctx: Context): Promise<SignInOutcome>;
  /** Takes sessions that have ended out of the browser, the one in use among them. */
  forgetEnded(ctx: Context): Promise<void>;
}

/** Where a sign-in comes back to. */
export const RETURN_PATH = '/account/return';
