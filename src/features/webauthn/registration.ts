import type { Knex } from 'knex';
import { currentRequest } from '../../kernel/current-request.ts';
import { AppError } from '../../kernel/errors.ts';
import { newId } from '../../kernel/ids.ts';
import { type Authenticator, lockOwner, mfaEvents, type UserRef } from '../mfa/index.ts';
import { describeDevice } from '../session/index.ts';
import {
  boundTo,
  facts,
  MOST_CREDENTIALS,
  TYPE,
  toAuthenticator,
  type WebAuthnDeps,
} from './common.ts';
import { nameOf } from './names.ts';
import { toCreationOptions } from './options.ts';
import { countCredentials, insertCredential, listCredentials } from './repository.ts';
import { type CreationOptions, type Credential, registrationAnswer } from './schema.ts';
import { challengeOf, RefusedAnswer, type ShownCredential, verifyRegistration } from './verify.ts';

const invalid = (message: string, log?: Record<string, unknown>): AppError =>
  new AppError('IDENT_VALIDATION', {
    errors: [{ path: 'response', message }],
    ...(log ? { log } : {}),
  });

/** Registering credentials. */
export function createRegistration(deps: WebAuthnDeps) {
  const { knex, clock, emit, challenges } = deps;

  async function show(user: UserRef, binding: string, response: unknown): Promise<ShownCredential> {
    const parsed = registrationAnswer.safeParse(response);
    if (!parsed.success) throw invalid('is no answer of navigator.credentials.create()');
    try {
      const challenge = challengeOf(parsed.data);
      if (!(await challenges.use(challenge, boundTo('create', user, binding)))) {
        throw new AppError('IDENT_TOKEN_SPENT');
      }
      return await verifyRegistration(deps.party, parsed.data, challenge);
    } catch (error) {
      if (!(error instanceof RefusedAnswer)) throw error;
      deps.onRefused(error.message, user.id);
      throw invalid('does not show a passkey that can be used here');
    }
  }

  /** The user's row is locked, so that registrations in parallel cannot pass the limit. */
  async function save(trx: Knex.Transaction, user: UserRef, credential: Credential): Promise<void> {
    if (!(await lockOwner(trx, user))) throw new AppError('IDENT_TOKEN_SPENT');
    if ((await countCredentials(trx, user)) >= MOST_CREDENTIALS) {
      throw new AppError('IDENT_WEBAUTHN_LIMIT');
    }
    // Level 3, 7.1 step 27: whoever has it, the other must not take it over.
    if (!(await insertCredential(trx, credential))) throw invalid('is registered already');
    const data = { userId: user.id, authenticatorId: credential.id, type: TYPE } as const;
    await emit(trx, mfaEvents.enrolled, facts(user), data);
  }

  return {
    async registrationOptions(
      user: UserRef & { label: string; displayName: string },
      binding: string,
    ): Promise<CreationOptions> {
      const present = await listCredentials(knex, user);
      if (present.length >= MOST_CREDENTIALS) throw new AppError('IDENT_WEBAUTHN_LIMIT');
      const tenant = await deps.tenants.find(user.tenantId);
      const challenge = await challenges.issue(boundTo('create', user, binding));
      const ceremony = { challenge, rpId: deps.party.id, timeout: deps.challengeLife };
      return toCreationOptions(ceremony, tenant?.name ?? deps.party.id, user, present);
    },

    async register(
      user: UserRef,
      binding: string,
      answer: { name: string; response: unknown },
    ): Promise<Authenticator> {
      const shown = await show(user, binding, answer.response);
      const device = describeDevice(currentRequest()?.userAgent ?? null);
      const credential: Credential = {
        ...shown,
        id: newId(),
        userId: user.id,
        tenantId: user.tenantId,
        name: nameOf(answer.name, shown.aaguid, device),
        createdAt: new Date(clock.now()),
        lastUsedAt: null,
        disabledAt: null,
      };
      await knex.transaction((trx) => save(trx, user, credential));
      return toAuthenticator(credential);
    },
  };
}
