import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import { z } from 'zod';
import { ACCOUNT_CLIENT_ID } from '../features/client/index.ts';
import type { Sealer } from '../infra/sealing.ts';
import type { Clock } from '../kernel/clock.ts';
import { constantTimeEqual } from '../kernel/crypto.ts';
import { AppError } from '../kernel/errors.ts';
import { newSecret } from '../kernel/ids.ts';
import {
  type AccountSignIn,
  RETURN_PATH,
  type SignInOutcome,
  type SignInRequest,
} from '../web/account/sign-in-port.ts';
import { createSealedCookie } from '../web/sealed-cookie.ts';
import { runWithRequestCache } from './adapter/index.ts';
import type { BrowserSessions } from './browser-sessions.ts';
import { toProtocolError } from './dependency-errors.ts';
import { runInProcess, serveGrant } from './internals.ts';

/** Milliseconds that a sign-in may take: as long as the engine waits for one. */
const FLOW_AGE = 3_600_000;

/** Characters of the sign-ins that a browser has under way in its tabs; the oldest gives way. */
const LONGEST_FLOWS = 2_000;

/** Seconds that two clocks may differ by. */
const SKEW = 5;

const flow = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  returnTo: z.string(),
  begunAt: z.number(),
  maxAge: z.number().optional(),
  acr: z.string().optional(),
});
type Flow = z.output<typeof flow>;

/** What is read of an ID token (OpenID Connect Core 2). */
const idTokenClaims = z.object({
  sub: z.uuid(),
  sid: z.uuid(),
  nonce: z.string(),
  exp: z.number(),
  auth_time: z.number(),
  acr: z.string().optional(),
});

export interface AccountSignInDeps {
  issuer: string;
  clock: Clock;
  sealer: Sealer;
  engine(): Provider;
  browserSessions: Pick<BrowserSessions, 'forgetEnded'>;
}

const s256 = (verifier: string): string =>
  createHash('sha256').update(verifier).digest('base64url');

/** As many of them as a cookie can hold, the first at least. */
function newest(all: readonly Flow[]): Flow[] {
  const ends = all.map((_, index) => JSON.stringify(all.slice(0, index + 1)).length);
  return all.filter((_, index) => index === 0 || (ends[index] ?? 0) <= LONGEST_FLOWS);
}

/** What the redirect says; undefined where anything is said twice. */
function readAnswer({ query }: Context): Record<string, string> | undefined {
  const entries = Object.entries(query);
  return entries.every(([, value]) => typeof value === 'string')
    ? (Object.fromEntries(entries) as Record<string, string>)
    : undefined;
}

/** The ID token that the engine's own grant for codes gives; the access token is let go. */
async function exchange(
  ctx: KoaContextWithOIDC,
): Promise<z.output<typeof idTokenClaims> | undefined> {
  const { client, provider } = ctx.oidc;
  await serveGrant(ctx, 'authorization_code');
  const { id_token: token } = ctx.body as { id_token?: string };
  if (!client || !token) return undefined;
  // Signature, issuer and audience (OpenID Connect Core 3.1.3.7).
  const { payload } = await provider.IdToken.validate(token, client);
  return idTokenClaims.parse(payload);
}

/**
 * The account page as a relying party: authorization code with PKCE, state and
 * nonce like any other client's, only that the code is exchanged in this process
 * and not over HTTP. What a sign-in was begun with waits sealed in the browser
 * that began it, so that a code from another browser signs nobody in here.
 */
export function createAccountSignIn(deps: AccountSignInDeps): AccountSignIn {
  const { issuer, clock } = deps;
  const redirectUri = `${issuer}${RETURN_PATH}`;
  const flows = createSealedCookie({
    name: 'gh_account_flows',
    schema: z.array(flow),
    sealer: deps.sealer,
    isSecure: issuer.startsWith('https:'),
    maxAge: FLOW_AGE,
  });

  const open = (ctx: Context): Flow[] =>
    (flows.read(ctx) ?? []).filter(({ begunAt }) => begunAt > clock.now() - FLOW_AGE);

  /** The flow of this state, which is used up. */
  function take(ctx: Context, state: string | undefined): Flow | undefined {
    const all = open(ctx);
    const found = all.find((one) => state !== undefined && constantTimeEqual(one.state, state));
    if (!found) return undefined;
    const others = all.filter((one) => one !== found);
    if (others.length > 0) flows.write(ctx, others);
    else flows.clear(ctx);
    return found;
  }

  /** @returns undefined where the engine does not take the code */
  async function redeem(code: string, verifier: string) {
    const params = {
      ...{ grant_type: 'authorization_code', code, code_verifier: verifier },
      redirect_uri: redirectUri,
    };
    const request = { clientId: ACCOUNT_CLIENT_ID, params, wantsIdToken: true };
    try {
      return await runWithRequestCache(() => runInProcess(deps.engine(), request, exchange));
    } catch (error) {
      if (error instanceof errors.InvalidGrant) return undefined;
      const isUnavailable = toProtocolError(error) instanceof errors.TemporarilyUnavailable;
      throw isUnavailable ? new AppError('IDENT_UNAVAILABLE', { cause: error }) : error;
    }
  }

  /** Whether the sign-in is as new as was asked: the engine's word is not taken for it. */
  const isFreshEnough = ({ maxAge }: Flow, authTime: number): boolean =>
    maxAge === undefined || authTime + maxAge + SKEW >= clock.now() / 1_000;

  return {
    forgetEnded: deps.browserSessions.forgetEnded,

    begin(ctx, { returnTo, fresh, acr, choosesAccount, tenant }: SignInRequest) {
      const begun: Flow = {
        ...{ state: newSecret(16), nonce: newSecret(16), verifier: newSecret() },
        ...{ returnTo, begunAt: clock.now() },
        ...(fresh ? { maxAge: fresh.maxAge } : {}),
        ...(acr ? { acr } : {}),
      };
      flows.write(ctx, newest([begun, ...open(ctx)]));
      const prompt = fresh ? 'login' : choosesAccount ? 'select_account' : undefined;
      const query = new URLSearchParams({
        ...{ client_id: ACCOUNT_CLIENT_ID, redirect_uri: redirectUri, response_type: 'code' },
        ...{ scope: 'openid', state: begun.state, nonce: begun.nonce },
        ...{ code_challenge: s256(begun.verifier), code_challenge_method: 'S256' },
        ...(prompt ? { prompt } : {}),
        ...(fresh ? { max_age: String(fresh.maxAge) } : {}),
        ...(acr ? { acr_values: acr } : {}),
        ...(tenant ? { tenant } : {}),
      });
      ctx.set('Cache-Control', 'no-store');
      ctx.status = 303;
      ctx.redirect(`/authorize?${query}`);
    },

    async finish(ctx): Promise<SignInOutcome> {
      const answer = readAnswer(ctx);
      const begun = take(ctx, answer?.state);
      // The answer of another server would be a mix-up (RFC 9207 2.4).
      if (!answer || !begun || answer.iss !== issuer) return { state: 'unknown' };
      if (answer.error !== undefined) return { state: 'refused', error: answer.error };
      const claims = await redeem(answer.code ?? '', begun.verifier);
      if (!claims || !constantTimeEqual(claims.nonce, begun.nonce)) return { state: 'unknown' };
      // The engine's clock: it has signed the token a moment ago.
      if (claims.exp <= Date.now() / 1_000) return { state: 'unknown' };
      const isEnough = begun.acr === undefined || claims.acr === begun.acr;
      if (!isEnough || !isFreshEnough(begun, claims.auth_time)) {
        return { state: 'refused', error: 'unmet_authentication_requirements' };
      }
      const { sid: sessionId, sub: userId } = claims;
      return { state: 'signed-in', sessionId, userId, returnTo: begun.returnTo };
    },
  };
}
