import type { Knex } from 'knex';
import { isUuid } from '../../kernel/ids.ts';
import { mfaEvents, type UserRef, type WebAuthnPort } from '../mfa/index.ts';
import { createAssertion } from './assertion.ts';
import { facts, TYPE, toAuthenticator, type WebAuthnDeps } from './common.ts';
import { createRegistration } from './registration.ts';
import { deleteCredentials, listCredentials, renameCredential } from './repository.ts';
import type { CreationOptions, RequestOptions } from './schema.ts';

/** The port, with options in the shape that routes declare. */
export interface WebAuthnService extends WebAuthnPort {
  registrationOptions(
    ...args: Parameters<WebAuthnPort['registrationOptions']>
  ): Promise<CreationOptions>;
  assertionOptions(...args: Parameters<WebAuthnPort['assertionOptions']>): Promise<RequestOptions>;
}

/** Passkeys and security keys of users (WebAuthn Level 3). */
export function createWebAuthn(deps: WebAuthnDeps): WebAuthnService {
  const { knex, emit } = deps;

  async function remove(
    trx: Knex.Transaction,
    user: UserRef,
    by: 'user' | 'administrator',
    id?: string,
  ): Promise<number> {
    const removed = await deleteCredentials(trx, user, id);
    for (const authenticatorId of removed) {
      const data = { userId: user.id, authenticatorId, type: TYPE, by } as const;
      await emit(trx, mfaEvents.removed, facts(user), data);
    }
    return removed.length;
  }

  return {
    type: TYPE,
    ...createRegistration(deps),
    ...createAssertion(deps),
    list: async (user) => (await listCredentials(knex, user)).map(toAuthenticator),
    rename: async (trx, user, id, name) => isUuid(id) && renameCredential(trx, user, id, name),
    remove: async (trx, user, id, by) => isUuid(id) && (await remove(trx, user, by, id)) === 1,
    removeAll: (trx, user, by) => remove(trx, user, by),
  };
}
