import {
  type BackchannelAuthenticationRequest,
  type Client,
  errors,
  type ResourceServer,
} from 'oidc-provider';
import type { StoredClient } from '../../features/client/index.ts';
import { describeUser } from '../../features/user/index.ts';
import { type PageModels, webUrl } from '../../pages/index.ts';
import type { DescribeScope } from '../../web/page-renderer.ts';
import type { TenantAccount } from '../claims.ts';
import type { MissingConsent } from '../grants.ts';
import { openidScopes, platformScopes } from '../resources.ts';
import { clientName } from '../sign-in-page.ts';
import type { Approval } from './approvals.ts';

interface RequestedClaims {
  id_token?: Record<string, unknown>;
  userinfo?: Record<string, unknown>;
}

/** Finds what a client may have of the resource server behind an indicator. */
type FindResource = (indicator: string, client: Client) => Promise<ResourceServer>;

/** A resource that has gone since gives nothing. */
const orNothing = (error: unknown): undefined => {
  if (!(error instanceof errors.InvalidTarget)) throw error;
};

/** All that a CIBA request asks for, and thus what allowing it grants. */
export async function wantedBy(
  request: BackchannelAuthenticationRequest,
  client: Client,
  findResource: FindResource,
): Promise<MissingConsent> {
  const scopes = request.scope?.split(' ') ?? [];
  const known = new Set([...openidScopes, ...platformScopes]);
  const { id_token: idToken, userinfo } = (request.claims ?? {}) as RequestedClaims;
  const resourceScopes: Record<string, string[]> = {};
  for (const resource of [request.resource ?? []].flat()) {
    const server = await findResource(resource, client).catch(orNothing);
    const offered = new Set(server?.scope?.split(' '));
    const own = scopes.filter((scope) => offered.has(scope));
    if (own.length > 0) resourceScopes[resource] = own;
  }
  return {
    oidcScopes: scopes.filter((scope) => known.has(scope)),
    oidcClaims: [...new Set([...Object.keys(idToken ?? {}), ...Object.keys(userinfo ?? {})])],
    resourceScopes,
  };
}

/** The page that asks: who wants what, with the words that the client shows its person as well. */
export function toApproveModel(
  step: {
    action: string;
    csrfToken: string;
    now: number;
    approval: Approval;
    request: BackchannelAuthenticationRequest;
    client: StoredClient;
    account: TenantAccount;
    wanted: MissingConsent;
  },
  describe: DescribeScope,
): PageModels['approve'] {
  const { metadata } = step.client;
  const { binding_message: message } = (step.request.params ?? {}) as Record<string, unknown>;
  const all = new Set([
    ...step.wanted.oidcScopes,
    ...Object.values(step.wanted.resourceScopes).flat(),
  ]);
  return {
    action: step.action,
    csrfToken: step.csrfToken,
    client: {
      name: clientName(metadata),
      logoUri: typeof metadata.logo_uri === 'string' ? webUrl(metadata.logo_uri) : null,
    },
    account: describeUser(step.account.user),
    message: typeof message === 'string' ? message : null,
    origin: { ip: step.approval.ip, agent: null },
    minutes: Math.max(1, Math.ceil((step.approval.expiresAt - step.now) / 60_000)),
    scopes: [...all].map(describe),
  };
}
