import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider';
import type { Certificate } from '../internals.ts';

/** Members of the engine's AccessToken that its types leave out. */
interface IssuedToken {
  expiresIn: number;
  readonly expiration: number;
  readonly tokenType: string;
  scope?: string | undefined;
  resourceServer?: ResourceServer;
  isOfOtherClient?: boolean;
  setThumbprint(kind: 'jkt' | 'x5t', value: Certificate): void;
  save(): Promise<string>;
}

export interface ExchangedToken {
  accountId: string;
  grantId: string;
  isOfOtherClient: boolean;
  gty: string;
  /** Seconds since the epoch: the token ends then at the latest. */
  notAfter: number;
  resourceServer: ResourceServer;
  scope: string | undefined;
  jkt: string | undefined;
  certificate: Certificate | undefined;
}

/**
 * Issues an access token that another token was exchanged for, by the engine's
 * own model, so that claims, signature and lifetime are those of every other.
 */
export async function issueExchanged(
  ctx: KoaContextWithOIDC,
  token: ExchangedToken,
): Promise<{ accessToken: string; expiresIn: number; tokenType: string }> {
  const { client, provider } = ctx.oidc;
  const { accountId, grantId, gty } = token;
  const AccessToken = provider.AccessToken as unknown as new (payload: object) => IssuedToken;
  const issued = new AccessToken({ accountId, client, grantId, gty });
  issued.resourceServer = token.resourceServer;
  issued.scope = token.scope;
  issued.isOfOtherClient = token.isOfOtherClient;
  const left = token.notAfter - Math.floor(Date.now() / 1000);
  if (left < 1) throw new errors.InvalidRequest('the subject_token is not valid');
  issued.expiresIn = Math.min(issued.expiration, left);
  if (token.certificate !== undefined) issued.setThumbprint('x5t', token.certificate);
  if (token.jkt !== undefined) issued.setThumbprint('jkt', token.jkt);
  ctx.oidc.entity('AccessToken', issued as never);
  const accessToken = await issued.save();
  return { accessToken, expiresIn: issued.expiresIn, tokenType: issued.tokenType };
}
