import { mfaEvents, type UserRef, type WebAuthnProof } from '../mfa/index.ts';
import { sessionEvents } from '../session/index.ts';
import { boundTo, TYPE, type WebAuthnDeps } from './common.ts';
import { toRequestOptions, userHandle } from './options.ts';
import {
  disableCredential,
  findCredential,
  listCredentials,
  touchCredential,
} from './repository.ts';
import { assertionAnswer, type Credential, type RequestOptions } from './schema.ts';
import { challengeOf, RefusedAnswer, verifyAssertion } from './verify.ts';

/** Asking for credentials, and checking what comes. */
export function createAssertion(deps: WebAuthnDeps) {
  const { knex, clock, emit, challenges } = deps;

  /** Its counter went backwards: the key has been copied, and either holder may be the thief. */
  async function disable(credential: Credential): Promise<void> {
    const { id, userId, tenantId } = credential;
    const about = { subject: userId, tenantId, actorId: null };
    await knex.transaction(async (trx) => {
      if (!(await disableCredential(trx, id, new Date(clock.now())))) return;
      const data = { userId, authenticatorId: id, type: TYPE, by: 'system' } as const;
      await emit(trx, mfaEvents.removed, about, data);
      const incident = { userId, kind: 'authenticator_cloned', clientId: null } as const;
      await emit(trx, sessionEvents.securityIncident, about, { ...incident, sessionId: null });
    });
  }

  async function find(
    user: UserRef | null,
    answer: { id: string; handle: string | null },
  ): Promise<Credential> {
    const found = await findCredential(knex, Buffer.from(answer.id, 'base64url'));
    if (!found) throw new RefusedAnswer('unknown credential');
    if (found.disabledAt) throw new RefusedAnswer('the credential is disabled');
    if (user && (found.userId !== user.id || found.tenantId !== user.tenantId)) {
      throw new RefusedAnswer('the credential of another user');
    }
    // Level 3, 7.2 step 6: without a user it is what names one, so it has to be there.
    const isOptional = user !== null && answer.handle === null;
    if (!isOptional && answer.handle !== userHandle({ id: found.userId })) {
      throw new RefusedAnswer('the user handle is not of the owner');
    }
    return found;
  }

  async function check(
    user: UserRef | null,
    binding: string,
    response: unknown,
  ): Promise<Credential> {
    const parsed = assertionAnswer.safeParse(response);
    if (!parsed.success) throw new RefusedAnswer('malformed');
    const answer = parsed.data;
    const challenge = challengeOf(answer);
    if (!(await challenges.use(challenge, boundTo('get', user, binding)))) {
      throw new RefusedAnswer('the challenge is unknown, used, expired or of another ceremony');
    }
    const handle = answer.response.userHandle ?? null;
    const credential = await find(user, { id: answer.id, handle });
    const shown = await verifyAssertion(deps.party, answer, challenge, credential);
    const at = new Date(clock.now());
    if (await touchCredential(knex, credential.id, { ...shown, at })) return credential;
    await disable(credential);
    throw new RefusedAnswer('the counter did not grow: the credential may have been cloned');
  }

  return {
    async assertionOptions(user: UserRef | null, binding: string): Promise<RequestOptions> {
      const listed = user === null ? [] : await listCredentials(knex, user);
      const challenge = await challenges.issue(boundTo('get', user, binding));
      const ceremony = { challenge, rpId: deps.party.id, timeout: deps.challengeLife };
      return toRequestOptions(
        ceremony,
        listed.filter(({ disabledAt }) => disabledAt === null),
      );
    },

    async assert(
      user: UserRef | null,
      binding: string,
      response: unknown,
    ): Promise<WebAuthnProof | undefined> {
      try {
        const { userId, id, isSyncedType } = await check(user, binding, response);
        const amr = ['webauthn', isSyncedType ? 'swk' : 'hwk', 'user'];
        return { userId, credentialId: id, amr };
      } catch (error) {
        if (!(error instanceof RefusedAnswer)) throw error;
        deps.onRefused(error.message, user?.id ?? null);
        return undefined;
      }
    },
  };
}
