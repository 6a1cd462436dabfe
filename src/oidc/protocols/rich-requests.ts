import {
  type AuthorizationDetail,
  assertDetail,
  detailsForToken,
  requestedDetails,
} from '../authorization-details.ts';
import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** Members of what a token is issued for that the engine's types leave out. */
interface WithDetails {
  rar?: AuthorizationDetail[];
}

/**
 * Rich authorization requests (RFC 9396), for the types that the deployment
 * names. A person is asked each time: the details are of one transaction, and
 * what was allowed before says nothing about them.
 */
export const richRequests = ({ config }: ProviderDeps) =>
  ({
    richAuthorizationRequests: {
      enabled: config.AUTHORIZATION_DETAILS_TYPES.length > 0,
      types: Object.fromEntries(
        config.AUTHORIZATION_DETAILS_TYPES.map((type) => [type, { validate: assertDetail }]),
      ),
      // Reached after the consent to this very request only.
      authorizationDetailsForGrantSource: (ctx) =>
        requestedDetails(ctx.oidc.params?.authorization_details),
      authorizationDetailsForAccessToken: (ctx, _token, source) => {
        const asked = requestedDetails(ctx.oidc.params?.authorization_details);
        return detailsForToken(source && ((source as WithDetails).rar ?? []), asked);
      },
      authorizationDetailsForIntrospection: (_ctx, token) => (token as WithDetails).rar,
    },
  }) satisfies Features;
