import type { OneTimeCodes } from '../../infra/one-time-codes.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { newId } from '../../kernel/ids.ts';
import { assertReady, type Messenger } from '../messaging/index.ts';
import { describeUser } from '../user/index.ts';
import type { SecondFactorAnswer } from './challenge.ts';
import type { OpenChallenge } from './challenge-store.ts';
import type { Candidate } from './gate.ts';
import type { CodeVerifier, WebAuthnPort } from './ports.ts';

export interface ProvingDeps {
  clock: Clock;
  codes: Pick<OneTimeCodes, 'request' | 'verify'>;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  totp: CodeVerifier;
  recoveryCodes: CodeVerifier;
  webauthn: Pick<WebAuthnPort, 'assert'>;
}

/** A sign-in that waits, with the person as they are now. */
export interface Waiting {
  challenge: OpenChallenge;
  user: Candidate;
  /** Names a browser that the account has signed in from before. */
  browser: string | null;
}

type SentBy = 'email' | 'sms';

/** What belongs to this ceremony and opens nothing in another (ASVS 6.7.2). */
export const bindingOf = ({ nonce }: OpenChallenge): string => `challenge:${nonce}`;

const WAYS = {
  email: { namespace: 'mfa-email', channel: 'mail' },
  sms: { namespace: 'mfa-sms', channel: 'sms' },
} as const;

/** A proved address: one that was changed meanwhile gets no code, and none opens anything. */
const addressOf = ({ user }: Waiting, way: SentBy): string | null => {
  if (way === 'email') return user.emailVerified ? user.email : null;
  return user.phoneVerified ? user.phone : null;
};

/** A code is good for one challenge and one address (ASVS 6.6.2). */
const codeOptions = ({ challenge, browser }: Waiting, address: string) => ({
  boundTo: `${challenge.nonce}:${address}`,
  ...(browser === null ? {} : { browser }),
});

const codeIdOf = ({ user }: Waiting): string => `user:${user.id}`;

/** What each kind of answer is checked by. */
export function createProving(deps: ProvingDeps) {
  async function isSentCode(waiting: Waiting, way: SentBy, code: string): Promise<boolean> {
    const address = addressOf(waiting, way);
    if (address === null) return false;
    try {
      const options = codeOptions(waiting, address);
      await deps.codes.verify(WAYS[way].namespace, codeIdOf(waiting), code, options);
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === 'IDENT_TOKEN_SPENT') return false;
      throw error;
    }
  }

  return {
    /** The methods that an answer has shown (RFC 8176); undefined when it is wrong. */
    async check(waiting: Waiting, answer: SecondFactorAnswer): Promise<string[] | undefined> {
      const { user, challenge } = waiting;
      if (answer.method === 'webauthn') {
        const proof = await deps.webauthn.assert(user, bindingOf(challenge), answer.response);
        return proof?.amr;
      }
      const { code, method } = answer;
      if (method === 'totp') return (await deps.totp.verify(user, code)) ? ['otp'] : undefined;
      if (method === 'recovery-code') {
        return (await deps.recoveryCodes.verify(user, code)) ? ['otp'] : undefined;
      }
      if (!(await isSentCode(waiting, method, code))) return undefined;
      return method === 'sms' ? ['sms'] : ['otp'];
    },

    /** @throws AppError IDENT_RATE_LIMITED, IDENT_LOCKED, IDENT_UNAVAILABLE, IDENT_TOKEN_SPENT */
    async send(waiting: Waiting, way: SentBy, locale: string | null): Promise<void> {
      const { user, challenge } = waiting;
      const to = addressOf(waiting, way);
      if (to === null) throw new AppError('IDENT_TOKEN_SPENT');
      const { namespace, channel } = WAYS[way];
      await assertReady(deps.messenger, channel, user.tenantId);
      const made = await deps.codes.request(namespace, codeIdOf(waiting), codeOptions(waiting, to));
      // No code outlives the challenge that it is for.
      const expiresAt = Math.min(made.expiresAt, challenge.expiresAt);
      const left = Math.floor((expiresAt - deps.clock.now()) / 60_000);
      const values = { code: made.code, minutes: Math.max(1, left) };
      const message = {
        ...{ to, expiresAt, tenantId: user.tenantId, isReadinessKnown: true },
        locale: [locale, user.locale].filter(Boolean).join(' ') || null,
      };
      const id = `${namespace}-${newId()}`;
      if (way === 'sms') {
        await deps.messenger.send(id, { ...message, template: 'mfa-sms', values });
        return;
      }
      const { name } = describeUser(user);
      await deps.messenger.send(id, {
        ...message,
        template: 'mfa-code',
        values: { name, ...values },
      });
    },
  };
}
