import { type ResourceServer, scopeDescription } from '../features/resource-server/index.ts';
import { describeUser, type User } from '../features/user/index.ts';
import type { Locale, PageModels } from '../pages/index.ts';
import type { DescribeScope } from '../web/page-renderer.ts';
import { type AuthorizationDetail, requestedDetails } from './authorization-details.ts';
import { claimsOfScope } from './claims.ts';
import { documentHostOf } from './clients/documents.ts';
import { openidScopes } from './resources.ts';
import { clientName } from './sign-in-page.ts';
import { type Step, toMissingConsent } from './step.ts';

/** A link of the client's own; only the web, never `javascript:` or `data:`. */
function webUrl(value: unknown): string | null {
  if (typeof value !== 'string' || !URL.canParse(value)) return null;
  return /^https?:$/.test(new URL(value).protocol) ? value : null;
}

/** Where the person goes next: the host of the redirect URI of this very request. */
function hostOf(redirectUri: unknown): string | null {
  const url = webUrl(redirectUri);
  return url ? new URL(url).host : null;
}

/** What the consent page needs to know beside the step. */
export interface ConsentFacts {
  user: User;
  /** The resource servers that something is asked of, by their audience. */
  servers: ReadonlyMap<string, ResourceServer>;
}

/** A claim that is asked for by itself is told in the words of the scope that it is of. */
const scopesOfClaim = (claim: string): string[] =>
  openidScopes.filter((scope) => scope !== 'openid' && claimsOfScope(scope).includes(claim));

/** All that a detail says, so that nobody allows what the page did not show (RFC 9396 11.1). */
const describeDetail = ({ type, ...members }: AuthorizationDetail) => ({
  type,
  facts: Object.entries(members).map(([name, value]) => ({
    name,
    values: [value].flat().map((one) => (typeof one === 'string' ? one : JSON.stringify(one))),
  })),
});

/** Words for the scopes of one API: the operator's where there are any, else ours. */
const describeFor =
  (server: ResourceServer | undefined, describe: DescribeScope, locale: Locale): DescribeScope =>
  (name) => {
    const scope = server?.scopes.find((own) => own.name === name);
    const title = scope && scopeDescription(scope, locale);
    return title ? { scope: name, title, description: null } : describe(name);
  };

/** The consent page for what is missing: scopes of OpenID Connect first, then those of each API. */
export function toConsentModel(
  step: Step,
  { user, servers }: ConsentFacts,
  describe: DescribeScope,
  locale: Locale,
): PageModels['consent'] {
  const { interaction, client, csrfToken } = step;
  const { metadata } = client;
  const missing = toMissingConsent(interaction);
  const own = new Set([
    ...missing.oidcScopes,
    ...missing.oidcClaims.flatMap(scopesOfClaim),
    ...Object.values(missing.resourceScopes).flat(),
  ]);
  const openid = openidScopes.filter((scope) => own.has(scope));
  const resources = Object.entries(missing.resourceScopes)
    .map(([name, scopes]) => ({
      name,
      scopes: scopes.filter((scope) => !openidScopes.includes(scope)),
    }))
    .filter(({ scopes }) => scopes.length > 0);
  return {
    action: `/interaction/${interaction.uid}/consent`,
    csrfToken,
    client: {
      name: clientName(metadata),
      publishedAt: documentHostOf(client),
      host: hostOf(interaction.params.redirect_uri),
      logoUri: webUrl(metadata.logo_uri),
      clientUri: webUrl(metadata.client_uri),
      policyUri: webUrl(metadata.policy_uri),
      tosUri: webUrl(metadata.tos_uri),
    },
    account: describeUser(user),
    scopes: openid.filter((scope) => scope !== 'offline_access').map(describe),
    resources: resources.map(({ name, scopes }) => {
      const server = servers.get(name);
      const words = describeFor(server, describe, locale);
      return { name: server?.name ?? name, scopes: scopes.map(words) };
    }),
    details: requestedDetails(interaction.params.authorization_details).map(describeDetail),
    offlineAccess: own.has('offline_access'),
  };
}
