import { errors } from 'oidc-provider';
import type { Config } from '../../config.ts';
import { platformScopes } from '../resources.ts';
import { findOperatorOnly } from './extensions.ts';

/**
 * What a client may say of itself when nobody vouches for it (ASVS 10.4.7): the
 * engine checks the form of metadata, this what they would allow.
 */

type Metadata = Record<string, unknown>;

/** Characters of all metadata as JSON, addresses for redirects, and characters of each, at most. */
const LARGEST = 16_384;
const MOST_REDIRECT_URIS = 20;
const LONGEST_REDIRECT_URI = 2_048;

/** Grants in which a person says yes; a client of nobody acts for nobody but them. */
const ALLOWED_GRANTS = [
  'authorization_code',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:device_code',
];

/** Deepest nesting of metadata: a certificate of a key of a key set is the fifth level. */
const DEEPEST = 8;

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);

const invalid = (message: string): Error => new errors.InvalidClientMetadata(message);

/** Refuses JSON that would overflow a stack, or that the database takes for no text. */
function assertStorable(value: unknown, depthLeft = DEEPEST): void {
  if (typeof value === 'string' && (!value.isWellFormed() || value.includes('\0'))) {
    throw invalid('the metadata hold characters that are no text');
  }
  if (typeof value !== 'object' || value === null) return;
  if (depthLeft === 0) throw invalid('the metadata are nested too deeply');
  for (const [name, member] of Object.entries(value)) {
    assertStorable(name, depthLeft);
    assertStorable(member, depthLeft - 1);
  }
}

/** RFC 7591 3.2.2 has an error of its own for these. */
const invalidRedirect = (message: string): Error =>
  Object.assign(invalid(message), {
    message: 'invalid_redirect_uri',
    error: 'invalid_redirect_uri',
  });

/** Codes go by https, or stay on the person's own machine (RFC 9700 2.6, RFC 8252 7). */
function assertRedirectUri(uri: unknown): void {
  const parsed = typeof uri === 'string' ? URL.parse(uri) : null;
  const isTooLong = typeof uri === 'string' && uri.length > LONGEST_REDIRECT_URI;
  if (!parsed || isTooLong) throw invalidRedirect('redirect_uris must be addresses, not overlong');
  if (parsed.username !== '' || parsed.password !== '') {
    throw invalidRedirect('redirect_uris must not hold credentials');
  }
  if (parsed.protocol === 'http:' && !LOOPBACK.has(parsed.hostname)) {
    throw invalidRedirect('redirect_uris must use https; http only to the loopback interface');
  }
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Whether the secret would be a key for a client that is given none. */
const needsAbsentSecret = (metadata: Metadata): boolean =>
  ['none', 'private_key_jwt'].includes(String(metadata.token_endpoint_auth_method)) &&
  Object.entries(metadata).some(
    ([name, value]) => name.endsWith('_alg') && /^(HS|dir$|A\d+(GCM)?KW$)/.test(String(value)),
  );

/**
 * Refuses metadata that only an operator may give a client.
 * @param metadata as the client sent them, not validated yet
 * @throws InvalidClientMetadata (RFC 7591 3.2.2) naming the member
 */
export function assertSelfRegistrable(metadata: Metadata, config: Config): void {
  assertStorable(metadata);
  if (JSON.stringify(metadata).length > LARGEST) throw invalid('the metadata are too large');
  const grants = listOf(metadata.grant_types);
  if (!grants.every((grant) => ALLOWED_GRANTS.includes(String(grant)))) {
    throw invalid(`grant_types can only contain ${ALLOWED_GRANTS.join(', ')}`);
  }
  const scopes = new Set(String(metadata.scope ?? '').split(' '));
  if (platformScopes.some((scope) => scopes.has(scope))) {
    throw invalid('scope must not contain scopes of the platform');
  }
  const redirects = [
    ...listOf(metadata.redirect_uris),
    ...listOf(metadata.post_logout_redirect_uris),
  ];
  if (redirects.length > MOST_REDIRECT_URIS) throw invalidRedirect('too many redirect_uris');
  for (const uri of redirects) assertRedirectUri(uri);
  const [forOperators] = findOperatorOnly(metadata, config);
  if (forOperators) throw invalid(`${forOperators} can only be set by an operator`);
  if (needsAbsentSecret(metadata)) throw invalid('a symmetric algorithm needs a client secret');
}
