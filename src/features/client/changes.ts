import { AppError } from '../../kernel/errors.ts';
import * as repository from './repository.ts';
import {
  type ClientMetadata,
  type ClientUpdate,
  clientUpdate,
  LARGEST_METADATA,
  type SecretRotation,
  secretRotation,
} from './schema.ts';
import {
  chooseSecret,
  keepSecret,
  NO_PREVIOUS,
  needsClearSecret,
  usesSecret,
  withSecret,
} from './secrets.ts';
import type { ClientServiceDeps } from './service.ts';

type ClientRecord = repository.ClientRecord;

const invalid = (path: string, message: string): AppError =>
  new AppError('IDENT_VALIDATION', { errors: [{ path, message }] });

/**
 * The metadata after a change: members given are set, null takes one away.
 * @throws AppError IDENT_VALIDATION for what is not changed this way
 */
function changed(
  before: ClientMetadata,
  { metadata, isReplacement }: Pick<ClientUpdate, 'metadata' | 'isReplacement'>,
): ClientMetadata {
  const {
    client_id: clientId = before.client_id,
    client_secret: secret,
    ...given
  } = metadata ?? {};
  if (clientId !== before.client_id) throw invalid('metadata.client_id', 'cannot be changed');
  if (secret !== undefined) {
    throw invalid('metadata.client_secret', 'is changed by rotating it, not here');
  }
  const members = { ...(isReplacement ? {} : before), ...given };
  const kept = Object.entries(members).filter(([, value]) => value !== null);
  const after = { ...Object.fromEntries(kept), client_id: before.client_id };
  if (JSON.stringify(after).length > LARGEST_METADATA) throw invalid('metadata', 'is too large');
  return after;
}

/** How a client's secrets are kept after its metadata have changed, and a new one if it needs it. */
function secretsAfter(
  { sealer }: ClientServiceDeps,
  record: ClientRecord,
  metadata: ClientMetadata,
) {
  if (!usesSecret(metadata)) {
    return { ...keepSecret(sealer, metadata, null), ...NO_PREVIOUS, clientSecret: null };
  }
  const isMissing = record.secretHash === null;
  const isTold = record.selfRegisteredAt !== null;
  // Of a hashed secret nobody has the clear text that a key is made of.
  if (isMissing || ((isTold || needsClearSecret(metadata)) && record.secretSealed === null)) {
    const clientSecret = chooseSecret();
    const kept = keepSecret(sealer, metadata, clientSecret, { isTold });
    return { ...kept, ...NO_PREVIOUS, clientSecret };
  }
  const { secretHash, previousHash, previousSecretExpiresAt } = record;
  const mayStaySealed = isTold || needsClearSecret(metadata);
  return {
    secretHash,
    secretSealed: mayStaySealed ? record.secretSealed : null,
    previousHash,
    previousSealed: mayStaySealed ? record.previousSealed : null,
    previousSecretExpiresAt,
    clientSecret: null,
  };
}

async function getRecord(
  { knex }: ClientServiceDeps,
  name: { tenantId: string; clientId: string },
): Promise<ClientRecord> {
  const record = await repository.getClient(knex, name);
  if (!record) throw new AppError('IDENT_NOT_FOUND');
  return record;
}

/** Writes what was made of a record. @throws AppError IDENT_STALE_VERSION when it has changed since */
async function write({ knex }: ClientServiceDeps, record: ClientRecord): Promise<ClientRecord> {
  if (!(await repository.replaceClient(knex, record))) throw new AppError('IDENT_STALE_VERSION');
  return { ...record, version: record.version + 1 };
}

/** See `update` of the client service. */
export async function changeClient(deps: ClientServiceDeps, input: ClientUpdate) {
  const change = clientUpdate.parse(input);
  const before = await getRecord(deps, change);
  if (change.version !== undefined && change.version !== before.version) {
    throw new AppError('IDENT_STALE_VERSION');
  }
  const metadata = changed(before.metadata, change);
  const { clientSecret, ...secrets } = secretsAfter(deps, before, metadata);
  // Validation may ask the network (`sector_identifier_uri`): no transaction waits for that.
  await deps.validateMetadata(withSecret(deps.sealer, metadata, secrets), change.tenantId);
  const record = await write(deps, {
    ...before,
    ...secrets,
    metadata,
    isFirstParty: change.isFirstParty ?? before.isFirstParty,
    updatedAt: new Date(deps.clock.now()),
  });
  return { record, clientSecret };
}

/** See `rotateSecret` of the client service. */
export async function rotateSecret(deps: ClientServiceDeps, input: SecretRotation) {
  const { overlap, ...name } = secretRotation.parse(input);
  const before = await getRecord(deps, name);
  if (!usesSecret(before.metadata)) {
    throw new AppError('IDENT_INVALID_TRANSITION', {
      detail: 'The client has no secret: it authenticates in another way.',
    });
  }
  const clientSecret = chooseSecret();
  const now = deps.clock.now();
  const previous =
    overlap === 0
      ? NO_PREVIOUS
      : {
          previousHash: before.secretHash,
          previousSealed: before.secretSealed,
          previousSecretExpiresAt: new Date(now + overlap * 1000),
        };
  const record = await write(deps, {
    ...before,
    ...keepSecret(deps.sealer, before.metadata, clientSecret, {
      isTold: before.selfRegisteredAt !== null,
    }),
    ...previous,
    updatedAt: new Date(now),
  });
  return { record, clientSecret };
}
