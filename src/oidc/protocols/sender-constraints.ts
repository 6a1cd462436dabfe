import { createCertificateReader, subjectMatches } from '../client-certificate.ts';
import { isFapi } from '../fapi-profile.ts';
import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** What nginx, and Apache, say of a chain that they have verified. */
const VERIFIED = 'SUCCESS';

/** Mutual TLS (RFC 8705), which ends at a proxy: it tells of the certificate by headers. */
function mutualTls({ config }: ProviderDeps) {
  const { MTLS_CERTIFICATE_HEADER: header, MTLS_VERIFIED_HEADER: verified } = config;
  if (header === undefined) return { enabled: false };
  const readCertificate = createCertificateReader(header);
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    selfSignedTlsClientAuth: true,
    // Without a word on the chain, anybody's certificate could bear the subject.
    tlsClientAuth: verified !== undefined,
    getCertificate: ({ req }) => readCertificate(req),
    certificateAuthorized: ({ req }) =>
      verified !== undefined && req.headers[verified] === VERIFIED,
    certificateSubjectMatches: ({ req }, property, expected) => {
      const certificate = readCertificate(req);
      return certificate !== undefined && subjectMatches(certificate, property, expected);
    },
  } satisfies Features['mTLS'];
}

/** Tokens that only their holder can use: DPoP (RFC 9449) and mutual TLS (RFC 8705). */
export const senderConstraints = (deps: ProviderDeps) =>
  ({
    dPoP: {
      enabled: true,
      // Offered to all: a proof made in advance, or by a clock that is wrong, is of no use then.
      nonceSecret: deps.dpopSecret,
      requireNonce: ({ oidc }) => deps.config.DPOP_NONCE_REQUIRED || isFapi(oidc.client),
    },
    mTLS: mutualTls(deps),
  }) satisfies Features;

/** Endpoints that a client may reach by another host, where TLS asks for its certificate. */
const aliased = ({ deviceFlow, ciba }: Features): Record<string, string> => ({
  token_endpoint: '/token',
  userinfo_endpoint: '/userinfo',
  introspection_endpoint: '/introspect',
  revocation_endpoint: '/revoke',
  pushed_authorization_request_endpoint: '/par',
  ...(deviceFlow?.enabled ? { device_authorization_endpoint: '/device_authorization' } : {}),
  ...(ciba?.enabled ? { backchannel_authentication_endpoint: '/ciba' } : {}),
});

/**
 * The aliases that discovery names (RFC 8705 5), if there are any.
 *
 * @param base URL of the host where TLS asks for a certificate
 */
export const mtlsAliases = (
  base: string | undefined,
  features: Features,
): Record<string, unknown> =>
  base === undefined
    ? {}
    : {
        mtls_endpoint_aliases: Object.fromEntries(
          Object.entries(aliased(features)).map(([name, path]) => [name, new URL(path, base).href]),
        ),
      };
