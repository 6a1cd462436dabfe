import type { Knex } from 'knex';
import { AppError } from '../../kernel/errors.ts';
import * as repository from './repository.ts';
import type { ClientMetadata } from './schema.ts';
import { keepSecret, NO_PREVIOUS, usesSecret } from './secrets.ts';
import type { ClientServiceDeps } from './service.ts';

type ClientRecord = repository.ClientRecord;

/** Whose a client is that registers itself, and by which initial access token. */
export interface RegistrationClaim {
  tenantId: string;
  initialAccessTokenId: string | null;
}

/** Decides, in the transaction, whether a client may be registered, and whose it is. */
export type ClaimRegistration = (trx: Knex.Transaction) => Promise<RegistrationClaim>;

/** Metadata without the secret, and how that is kept: sealed, since the client may ask for it again. */
function split({ sealer }: ClientServiceDeps, { client_secret: secret, ...rest }: ClientMetadata) {
  const metadata: ClientMetadata = { ...rest, client_id: String(rest.client_id) };
  const clear = usesSecret(metadata) && typeof secret === 'string' ? secret : null;
  return { metadata, clear, ...keepSecret(sealer, metadata, clear, { isTold: true }) };
}

/** See `register` of the client service. */
export async function registerClient(
  deps: ClientServiceDeps,
  given: ClientMetadata,
  claim: ClaimRegistration,
): Promise<void> {
  const { clear: _, ...kept } = split(deps, given);
  const now = new Date(deps.clock.now());
  await deps.knex.transaction(async (trx) => {
    const { tenantId, initialAccessTokenId } = await claim(trx);
    await repository.insertClient(trx, {
      ...kept,
      ...NO_PREVIOUS,
      clientId: kept.metadata.client_id,
      tenantId,
      isFirstParty: false,
      isDisabled: false,
      version: 1,
      createdAt: now,
      updatedAt: now,
      selfRegisteredAt: now,
      initialAccessTokenId,
      firstTokenAt: null,
    });
  });
}

/** See `replaceRegistered` of the client service. */
export async function replaceRegistered(
  deps: ClientServiceDeps,
  given: ClientMetadata,
): Promise<void> {
  const before = await repository.findClient(deps.knex, given.client_id);
  if (!before?.selfRegisteredAt || before.isDisabled) throw new AppError('IDENT_NOT_FOUND');
  const { clear, ...kept } = split(deps, given);
  const record: ClientRecord = {
    ...before,
    ...kept,
    ...(clear === null ? NO_PREVIOUS : {}),
    // Whoever vouched for it did so for what it was.
    isFirstParty: false,
    updatedAt: new Date(deps.clock.now()),
  };
  if (!(await repository.replaceClient(deps.knex, record))) {
    throw new AppError('IDENT_STALE_VERSION');
  }
}
