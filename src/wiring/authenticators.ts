import { createAuthenticators } from '../features/authenticator/index.ts';
import { createRecoveryCodes } from '../features/recovery-code/index.ts';
import { createTotp } from '../features/totp/index.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { AccountMeans } from './accounts.ts';
import type { Features } from './features.ts';

/** What people prove who they are by, beside a password. */
export function createAuthenticatorParts(
  infra: Infrastructure,
  { emit, tenants }: Pick<Features, 'emit' | 'tenants'>,
  { lookups }: Pick<AccountMeans, 'lookups'>,
) {
  const { clock, sealer } = infra;
  const { knex } = infra.postgres;
  const totp = createTotp({ knex, clock, emit, sealer });
  const recoveryCodes = createRecoveryCodes({ knex, clock, emit, lookups });
  const authenticators = createAuthenticators({ knex, keepers: [totp], recoveryCodes, tenants });
  return { totp, recoveryCodes, authenticators };
}
