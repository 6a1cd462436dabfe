import { errors, type Provider } from 'oidc-provider';
import type { ClientMetadata } from '../../features/client/index.ts';
import { AppError } from '../../kernel/errors.ts';
import { whileRegistering } from '../pairwise.ts';
import { openidScopes, platformScopes } from '../resources.ts';

/** A member of the engine's Client that its types leave out. */
interface Validator {
  validate(metadata: ClientMetadata): Promise<void>;
}

/** The metadata member that a message of the engine begins with. */
const memberOf = (message: string): string => /^([a-z_]+)\b/.exec(message)?.[1] ?? '';

/**
 * Validates registration metadata by the engine itself, which is what will use it.
 * @throws AppError IDENT_VALIDATION naming the member that is wrong
 */
export async function validateClientMetadata(
  provider: Provider,
  metadata: ClientMetadata,
): Promise<void> {
  try {
    await whileRegistering(() => (provider.Client as unknown as Validator).validate(metadata));
  } catch (error) {
    if (!(error instanceof errors.OIDCProviderError)) throw error;
    const message = error.error_description ?? error.message;
    throw new AppError('IDENT_VALIDATION', {
      detail: message,
      errors: [{ path: `metadata.${memberOf(message)}`, message }],
      cause: error,
    });
  }
}

const builtInScopes = new Set([...openidScopes, ...platformScopes]);

/**
 * Checks that there is every scope that a client registers.
 * @param listScopeNames the scopes of the resource servers that the client may ask for
 * @throws AppError IDENT_VALIDATION naming those that there are not
 */
export async function assertKnownScopes(
  { scope }: ClientMetadata,
  listScopeNames: () => Promise<ReadonlySet<string>>,
): Promise<void> {
  const others = String(scope ?? '')
    .split(' ')
    .filter((name) => name !== '' && !builtInScopes.has(name));
  if (others.length === 0) return;
  const known = await listScopeNames();
  const unknown = others.filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  const message = `has no resource server that knows ${unknown.join(', ')}`;
  throw new AppError('IDENT_VALIDATION', { errors: [{ path: 'metadata.scope', message }] });
}
