import type { Config } from '../config.ts';
import { createPasswordService } from '../features/password/index.ts';
import type { SignInService } from '../features/sign-in/index.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { AccountMeans } from './accounts.ts';
import type { Features } from './features.ts';
import type { createProofs } from './proofs.ts';

/** Passwords that people have forgotten, or want to change. */
export const createPassword = (
  config: Config,
  infra: Infrastructure,
  features: Features,
  means: Pick<AccountMeans, 'messenger' | 'lookups'>,
  parts: ReturnType<typeof createProofs> & { signIn: SignInService },
) =>
  createPasswordService({
    ...features,
    ...parts,
    knex: infra.postgres.knex,
    clock: infra.clock,
    passwords: infra.passwords,
    messenger: means.messenger,
    addressDigest: (address) => means.lookups.digest('address', address),
    issuer: config.ISSUER,
    onBackgroundError: (error) => infra.log.error({ err: error }, 'background work failed'),
  });
