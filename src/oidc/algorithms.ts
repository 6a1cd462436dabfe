import type { Configuration } from 'oidc-provider';

/**
 * Algorithms by purpose. None that is broken or ageing: no `none`, no RSA 1.5
 * encryption, no SHA-1 padding. RS256 stays, because every library knows it.
 */

/** Signatures of others that are verified by their public keys. */
const verified = [
  'RS256',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'Ed25519',
  'EdDSA',
];

/** Signatures of ours; the engine offers those of them that there are keys for. */
const signed = ['RS256', 'PS256', 'ES256', 'ES384', 'Ed25519', 'EdDSA'];

/** Keys of a client's own, and for the symmetric ones its secret, which is sealed then. */
const keyManagement = [
  'RSA-OAEP-256',
  'ECDH-ES',
  'ECDH-ES+A128KW',
  'ECDH-ES+A256KW',
  'A128KW',
  'A256KW',
  'dir',
];

const contentEncryption = ['A128CBC-HS256', 'A128GCM', 'A256CBC-HS512', 'A256GCM'];

/** What a FAPI 2.0 client may sign with, or be answered with (FAPI 2.0 Security Profile 5.4.1). */
export const fapiAlgs = ['PS256', 'ES256', 'Ed25519', 'EdDSA'];

/** The algorithms that the engine may use (RFC 8725 3.1: an allow-list for each purpose). */
export const enabledJWA = {
  clientAuthSigningAlgValues: ['HS256', ...verified],
  // By public keys only: of most secrets there is a hash, which is no key (RFC 8725 3.1). A
  // request that opens with a client's secret would count as signed.
  requestObjectSigningAlgValues: verified,
  requestObjectEncryptionAlgValues: ['RSA-OAEP-256', 'ECDH-ES'],
  requestObjectEncryptionEncValues: contentEncryption,
  dPoPSigningAlgValues: verified.filter((alg) => alg !== 'RS256'),
  idTokenSigningAlgValues: ['HS256', ...signed],
  idTokenEncryptionAlgValues: keyManagement,
  idTokenEncryptionEncValues: contentEncryption,
  userinfoSigningAlgValues: ['HS256', ...signed],
  userinfoEncryptionAlgValues: keyManagement,
  userinfoEncryptionEncValues: contentEncryption,
  introspectionSigningAlgValues: ['HS256', ...signed],
  introspectionEncryptionAlgValues: keyManagement,
  introspectionEncryptionEncValues: contentEncryption,
  authorizationSigningAlgValues: ['HS256', ...signed],
  authorizationEncryptionAlgValues: keyManagement,
  authorizationEncryptionEncValues: contentEncryption,
} as NonNullable<Configuration['enabledJWA']>;

/** What the engine signs, each by an algorithm that the client's registration chooses. */
const SIGNED_BY_US = [
  'idTokenSigningAlgValues',
  'userinfoSigningAlgValues',
  'introspectionSigningAlgValues',
  'authorizationSigningAlgValues',
] as const;

/** The same with algorithms that are configured for those who test them. */
export function enabledWith(experimental: readonly string[]): typeof enabledJWA {
  const more = SIGNED_BY_US.map((name) => [name, [...(enabledJWA[name] ?? []), ...experimental]]);
  return { ...enabledJWA, ...Object.fromEntries(more) };
}
