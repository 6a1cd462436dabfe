import type { Config } from '../config.ts';
import type { SignInService } from '../features/sign-in/index.ts';
import { createAddresses } from '../features/user/index.ts';
import {
  createLinkingService,
  createNotices,
  createVerificationService,
} from '../features/verification/index.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { AccountMeans } from './accounts.ts';
import type { Features } from './features.ts';
import type { Proofs } from './proofs.ts';

/** Proofs of addresses, another address, and the messages that follow from both. */
export function createVerification(
  config: Config,
  infra: Infrastructure,
  features: Features,
  means: Pick<AccountMeans, 'messenger' | 'lookups'>,
  parts: Proofs & { signIn: SignInService },
) {
  const base = {
    ...features,
    ...parts,
    knex: infra.postgres.knex,
    clock: infra.clock,
    sealer: infra.sealer,
    messenger: means.messenger,
    addresses: createAddresses(infra),
    addressDigest: (address: string) => means.lookups.digest('address', address),
    issuer: config.ISSUER,
  };
  const notices = createNotices(base);
  return {
    verification: createVerificationService(base),
    linking: createLinkingService({ ...base, notices }),
    notices,
  };
}
