import type { Knex } from 'knex';
import type { OneTimeCodes } from '../../infra/one-time-codes.ts';
import type { Clock } from '../../kernel/clock.ts';
import { constantTimeEqual } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import type { Emit } from '../../kernel/events.ts';
import { newId } from '../../kernel/ids.ts';
import { assertReady, type Messenger } from '../messaging/index.ts';
import type { OneTimeLinks } from '../one-time-link/index.ts';
import type { Candidate, Claim, SignInService } from '../sign-in/index.ts';
import type { TenantService } from '../tenant/index.ts';
import {
  type Address,
  type Addresses,
  describeUser,
  parseIdentifier,
  type User,
  type UserService,
} from '../user/index.ts';
import { CHANNELS } from './channels.ts';

/** What links that verify an address are for. */
export const VERIFY_EMAIL = 'verify-email';

/** Milliseconds that a link in a mail is good for. */
export const LINK_LIFE = 24 * 3_600_000;

export interface VerificationDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  codes: Pick<OneTimeCodes, 'request' | 'verify'>;
  links: OneTimeLinks;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  signIn: Pick<SignInService, 'findCandidate'>;
  tenants: Pick<TenantService, 'ensurePlatform'>;
  users: Pick<UserService, 'find'>;
  addresses: Pick<Addresses, 'markVerified'>;
  /**
   * Digest under a server key: what a link remembers of the address that it was made
   * for, so that it verifies no other (CVE-2025-7365).
   */
  addressDigest(address: string): string;
  /** Public base URL, which links begin with. */
  issuer: string;
}

/** Whose address is to be verified, as typed. */
export interface VerificationClaim extends Claim {
  identifier: string;
}

/** Whether a user may prove this address now: theirs, unproved, and the account not closed. */
const isDue = (user: User, { scheme }: Address): boolean =>
  (user.status === 'pending_verification' || user.status === 'active') &&
  !(scheme === 'email' ? user.emailVerified : user.phoneVerified);

/** @throws AppError IDENT_VALIDATION when it is no address of that kind */
function toAddress(typed: string, scheme: Address['scheme']): Address {
  const identifier = parseIdentifier(typed);
  if (identifier?.scheme === scheme) return { scheme, value: identifier.value };
  const message = scheme === 'email' ? 'must be an e-mail address' : 'must be a phone number';
  throw new AppError('IDENT_VALIDATION', { errors: [{ path: scheme, message }] });
}

/** By what the codes of an address are found: every way to ask for them shares the limits. */
export const codeIdOf = ({ scheme, value }: Address): string => `${scheme}:${value}`;

export type VerificationService = ReturnType<typeof createVerificationService>;

/** Proofs that an e-mail address or a phone number belongs to a user. */
export function createVerificationService(deps: VerificationDeps) {
  const { knex, codes, links, messenger, emit } = deps;

  /** The user who is meant, where there is one who may verify this address. */
  async function findDue(claim: VerificationClaim, address: Address) {
    const found: Candidate | 'ambiguous' | undefined = await deps.signIn.findCandidate(
      claim,
      address,
    );
    return found && found !== 'ambiguous' && isDue(found, address) ? found : undefined;
  }

  /** The tenant in whose name nobody in particular is written to. */
  const fallbackTenant = async ({ tenantId }: Claim): Promise<string> =>
    tenantId ?? (await deps.tenants.ensurePlatform()).id;

  async function settle(
    trx: Knex.Transaction,
    target: { tenantId: string; userId: string },
    address: Address,
  ): Promise<User> {
    const user = await deps.addresses.markVerified(trx, target, address);
    if (!user) throw new AppError('IDENT_TOKEN_SPENT');
    const { userId, tenantId } = target;
    const facts = { subject: userId, tenantId, actorId: userId };
    await emit(trx, CHANNELS[address.scheme].event, facts, { userId, initial: true });
    return user;
  }

  async function sendMail(
    to: Address,
    user: User | undefined,
    sent: { tenantId: string; locale: string | null; code: string; minutes: number },
  ): Promise<void> {
    const { tenantId, locale, code, minutes } = sent;
    const token = await links.issue({
      purpose: VERIFY_EMAIL,
      userId: user?.id ?? null,
      tenantId: user?.tenantId ?? null,
      data: { address: deps.addressDigest(codeIdOf(to)) },
      ttl: LINK_LIFE,
    });
    await messenger.send(`verify-email-${newId()}`, {
      template: 'verify-email',
      to: user ? to.value : null,
      tenantId: user?.tenantId ?? tenantId,
      locale,
      isReadinessKnown: true,
      zoneinfo: user?.zoneinfo ?? null,
      values: {
        name: user ? describeUser(user).name : '',
        code,
        link: verificationLink(deps.issuer, token),
        minutes,
        linkMinutes: LINK_LIFE / 60_000,
      },
      expiresAt: deps.clock.now() + LINK_LIFE,
    });
  }

  return {
    /**
     * Sends a code, and by mail a link, to verify an address by. What comes back, and
     * the work, are the same for an address that nobody has or that is verified.
     * @throws AppError IDENT_VALIDATION, IDENT_RATE_LIMITED, IDENT_LOCKED, IDENT_UNAVAILABLE
     */
    async request(
      scheme: Address['scheme'],
      claim: VerificationClaim,
      locale: string | null,
    ): Promise<void> {
      const address = toAddress(claim.identifier, scheme);
      const tenantId = await fallbackTenant(claim);
      const { by, verify } = CHANNELS[scheme];
      await assertReady(messenger, by, tenantId);
      const user = await findDue(claim, address);
      const boundTo = user?.id ?? '';
      const made = await codes.request(verify, codeIdOf(address), { boundTo });
      const { code, minutes, expiresAt } = made;
      const languages = [locale, user?.locale].filter(Boolean).join(' ') || null;
      if (scheme === 'email') {
        await sendMail(address, user, { tenantId, locale: languages, code, minutes });
        return;
      }
      await messenger.send(`verify-phone-${newId()}`, {
        template: 'verify-phone',
        to: user ? address.value : null,
        tenantId: user?.tenantId ?? tenantId,
        locale: languages,
        isReadinessKnown: true,
        values: { code, minutes },
        expiresAt,
      });
    },

    /**
     * Verifies an address by the code that was sent to it.
     * @throws AppError IDENT_VALIDATION, IDENT_TOKEN_SPENT, IDENT_LOCKED, IDENT_UNAVAILABLE
     */
    async byCode(scheme: Address['scheme'], claim: VerificationClaim, code: string): Promise<User> {
      const address = toAddress(claim.identifier, scheme);
      const user = await findDue(claim, address);
      const boundTo = user?.id ?? '';
      await codes.verify(CHANNELS[scheme].verify, codeIdOf(address), code, { boundTo });
      if (!user) throw new AppError('IDENT_TOKEN_SPENT');
      const target = { userId: user.id, tenantId: user.tenantId };
      return knex.transaction(async (trx) => {
        const verified = await settle(trx, target, address);
        if (scheme === 'email') {
          await links.endAllOf(trx, { userId: user.id, purpose: VERIFY_EMAIL });
        }
        return verified;
      });
    },

    /**
     * Verifies the address that a link was made for, if it is still the user's.
     * @throws AppError IDENT_TOKEN_SPENT, IDENT_UNAVAILABLE
     */
    async byLink(token: string): Promise<User> {
      const { userId, tenantId, data } = await links.peek(VERIFY_EMAIL, token);
      const email = (await deps.users.find(tenantId, userId))?.email;
      if (!email) throw new AppError('IDENT_TOKEN_SPENT');
      const address: Address = { scheme: 'email', value: email.toLowerCase() };
      const digest = deps.addressDigest(codeIdOf(address));
      if (!constantTimeEqual(digest, String(data.address))) throw new AppError('IDENT_TOKEN_SPENT');
      return knex.transaction(async (trx) => {
        await links.consume(trx, VERIFY_EMAIL, token);
        // Whoever has got another address since then is not found by this one.
        return settle(trx, { userId, tenantId }, address);
      });
    },
  };
}

/** Where a link to verify an address leads. */
export const verificationLink = (issuer: string, token: string): string =>
  `${issuer}/verify-email?token=${token}`;
