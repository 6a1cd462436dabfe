import type { Knex } from 'knex';
import type { OneTimeCodes } from '../../infra/one-time-codes.ts';
import type { RateLimits } from '../../infra/rate-limits.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { newId } from '../../kernel/ids.ts';
import { assertReady, type Messenger } from '../messaging/index.ts';
import type { OneTimeLinks } from '../one-time-link/index.ts';
import {
  type Address,
  type Addresses,
  describeUser,
  type User,
  type UserService,
  userEvents,
} from '../user/index.ts';
import { CHANNELS } from './channels.ts';
import type { Notices } from './notices.ts';

export interface LinkingDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  codes: Pick<OneTimeCodes, 'request' | 'verify'>;
  links: Pick<OneTimeLinks, 'endAllOf'>;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  rateLimits: Pick<RateLimits, 'hit' | 'release'>;
  notices: Pick<Notices, 'remember'>;
  users: Pick<UserService, 'findAccount'>;
  addresses: Pick<Addresses, 'replaceAddress'>;
}

/** Codes that one address gets at most, whoever asks for them: it may be a stranger's. */
const RECIPIENT = { bucket: 'code-recipient', limit: 10, windowMs: 24 * 3_600_000 };

const normalise = ({ scheme, value }: Address): string => `${scheme}:${value.toLowerCase()}`;

/** Where a user is told of a change: at the mail address that was theirs before it. */
function noticeAddress({ scheme }: Address, before: User, after: User): string | null {
  if (before.email === null || !before.emailVerified) return null;
  const isChanged = before[scheme]?.toLowerCase() !== after[scheme]?.toLowerCase();
  return isChanged ? before.email : null;
}

export type LinkingService = ReturnType<typeof createLinkingService>;

/** Another e-mail address or phone number for a person who is signed in. */
export function createLinkingService(deps: LinkingDeps) {
  const { codes, links, messenger, emit } = deps;

  async function findUser(userId: string): Promise<User> {
    const user = (await deps.users.findAccount(userId))?.user;
    if (!user) throw new AppError('IDENT_UNAUTHENTICATED');
    return user;
  }

  return {
    /**
     * Sends a code to an address that a person wants to have here. Whether another
     * user has it is not told.
     * @throws AppError IDENT_RATE_LIMITED, IDENT_LOCKED, IDENT_UNAVAILABLE
     */
    async request(userId: string, address: Address, locale: string | null): Promise<void> {
      const user = await findUser(userId);
      const { by, add } = CHANNELS[address.scheme];
      await assertReady(messenger, by, user.tenantId);
      const boundTo = normalise(address);
      const budget = { ...RECIPIENT, key: boundTo };
      const hit = await deps.rateLimits.hit(budget);
      if (!hit.allowed) {
        throw new AppError('IDENT_RATE_LIMITED', { retryAfter: hit.retryAfterSeconds });
      }
      const made = await codes
        .request(add, `user:${user.id}`, { boundTo })
        .catch(async (error: unknown) => {
          // Nothing was sent: nobody's allowance at this address is used up by it.
          await deps.rateLimits.release([budget]);
          throw error;
        });
      const { code, minutes, expiresAt } = made;
      const base = {
        to: address.value,
        tenantId: user.tenantId,
        locale: [locale, user.locale].filter(Boolean).join(' ') || null,
        expiresAt,
      };
      const id = `${add}-${newId()}`;
      if (address.scheme === 'phone') {
        await messenger.send(id, { ...base, template: 'add-phone', values: { code, minutes } });
        return;
      }
      const values = { name: describeUser(user).name, code, minutes };
      await messenger.send(id, { ...base, template: 'add-email', values });
    },

    /**
     * Gives the person the address, verified, in place of the one before. Links that
     * were sent to that one end with it.
     * @throws AppError IDENT_TOKEN_SPENT, IDENT_LOCKED, IDENT_EMAIL_DUPLICATE,
     *   IDENT_PHONE_DUPLICATE, IDENT_UNAVAILABLE
     */
    async verify(userId: string, address: Address, code: string): Promise<void> {
      const { tenantId } = await findUser(userId);
      const { add, event } = CHANNELS[address.scheme];
      await codes.verify(add, `user:${userId}`, code, { boundTo: normalise(address) });
      await deps.knex.transaction(async (trx) => {
        const changed = await deps.addresses.replaceAddress(trx, { tenantId, userId }, address);
        if (!changed) throw new AppError('IDENT_UNAUTHENTICATED');
        const { before, after } = changed;
        const facts = { subject: userId, tenantId, actorId: userId };
        await links.endAllOf(trx, { userId });
        const to = noticeAddress(address, before, after);
        if (to !== null) {
          await deps.notices.remember(trx, after, { what: address.scheme, address: to });
        }
        await emit(trx, event, facts, { userId, initial: false });
        await emit(trx, userEvents.profileUpdated, facts, { userId, changed: [address.scheme] });
      });
    },
  };
}
