import type { OneTimeCodes } from '../../infra/one-time-codes.ts';
import type { Clock } from '../../kernel/clock.ts';
import { constantTimeEqual, sha256 } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import { newId } from '../../kernel/ids.ts';
import { assertReady, type Messenger } from '../messaging/index.ts';
import type { OneTimeLinks } from '../one-time-link/index.ts';
import type { Candidate, Claim, SignInService } from '../sign-in/index.ts';
import type { TenantService } from '../tenant/index.ts';
import { describeUser, type Identifier, parseIdentifier, type User } from '../user/index.ts';

/** What links that set a new password are for. */
export const RESET_PASSWORD = 'reset-password';

/** Milliseconds that a link is good for. */
const LINK_LIFE = 30 * 60_000;

/** A limit on messages to one receiver; fits those of infra/rate-limits.ts. */
interface Limit {
  bucket: string;
  key: string;
  limit: number;
  windowMs: number;
}

export interface RecoveryDeps {
  clock: Clock;
  codes: Pick<OneTimeCodes, 'request' | 'verify'>;
  links: Pick<OneTimeLinks, 'issue'>;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
  rateLimits: { hitAll(limits: readonly Limit[]): Promise<{ allowed: boolean }> };
  signIn: Pick<SignInService, 'findCandidate'>;
  tenants: Pick<TenantService, 'ensurePlatform'>;
  /** Digest under a server key: what a link remembers of the address that it was sent to. */
  addressDigest(address: string): string;
  /** Public base URL, which links begin with. */
  issuer: string;
}

/** Whose password it is, as typed. */
export interface RecoveryClaim extends Claim {
  identifier: string;
}

/** Whether an account may be recovered: nobody has closed it. */
export const isOpen = ({ status }: Pick<User, 'status'>): boolean =>
  status === 'active' || status === 'pending_verification';

/** An address that was proved, by the name that codes and digests know it by. */
const addressOf = (user: User, scheme: Identifier['scheme']): string | undefined => {
  if (scheme === 'phone') return user.phoneVerified ? `phone:${user.phone}` : undefined;
  return user.emailVerified ? `email:${user.email?.toLowerCase()}` : undefined;
};

/** Whether the address that a link was sent to is still proved to be the user's. */
export function isStillTheirs(
  { addressDigest }: Pick<RecoveryDeps, 'addressDigest'>,
  user: User,
  digest: unknown,
): boolean {
  const addresses = [addressOf(user, 'email'), addressOf(user, 'phone')];
  return addresses.some(
    (address) => address !== undefined && constantTimeEqual(addressDigest(address), String(digest)),
  );
}

/**
 * Messages to one receiver, whoever is named: somebody may be asked for by address,
 * number and username. Shorter and more than what codes allow, so that only this is cut.
 */
const receiverLimits = (receiver: string): Limit[] => [
  { bucket: 'recovery-pause', key: receiver, limit: 1, windowMs: 45_000 },
  { bucket: 'recovery-day', key: receiver, limit: 12, windowMs: 24 * 3_600_000 },
];

/** Codes are asked for by what was typed, so that the limits are alike whoever it means. */
const codeIdOf = ({ tenantId }: Claim, { scheme, value }: Identifier): string =>
  scheme === 'username' ? `username:${tenantId ?? ''}:${value}` : `${scheme}:${value}`;

/** A code is good for one user, and for the password that it was asked for in place of. */
const boundTo = (user: Candidate | undefined): string =>
  user ? sha256(`${user.id}\0${user.passwordHash ?? ''}`).toString('base64url') : '';

/** @throws AppError IDENT_VALIDATION when it can mean nobody */
function identify(typed: string): Identifier {
  const identifier = parseIdentifier(typed);
  if (identifier) return identifier;
  const message = 'must be an e-mail address, a phone number or a username';
  throw new AppError('IDENT_VALIDATION', { errors: [{ path: 'identifier', message }] });
}

/** Proofs that somebody who has forgotten the password is who they say. */
export function createRecovery(deps: RecoveryDeps) {
  const { codes, links, messenger } = deps;

  /** The user who is meant, if the account is open, and the proved address to write to. */
  async function find(claim: RecoveryClaim, identifier: Identifier) {
    const found = await deps.signIn.findCandidate(claim, identifier);
    const user = found && found !== 'ambiguous' && isOpen(found) ? found : undefined;
    const address = user && addressOf(user, identifier.scheme);
    return { user: address === undefined ? undefined : user, address };
  }

  const issue = (user: User | undefined, address: string, ttl: number): Promise<string> =>
    links.issue({
      purpose: RESET_PASSWORD,
      userId: user?.id ?? null,
      tenantId: user?.tenantId ?? null,
      data: { address: deps.addressDigest(address) },
      ttl,
    });

  async function send(
    channel: 'mail' | 'sms',
    to: { user: Candidate | undefined; tenantId: string; locale: string | null },
    sent: Awaited<ReturnType<OneTimeCodes['request']>> & { token: string },
  ): Promise<void> {
    const { user, locale } = to;
    const { code, minutes, expiresAt } = sent;
    const id = `forgot-password-${newId()}`;
    const tenantId = user?.tenantId ?? to.tenantId;
    const base = { tenantId, locale, isReadinessKnown: true };
    if (channel === 'sms') {
      const receiver = user?.phone ?? null;
      const values = { code, minutes };
      await messenger.send(id, {
        ...base,
        template: 'phone-auth',
        to: receiver,
        values,
        expiresAt,
      });
      return;
    }
    await messenger.send(id, {
      ...base,
      template: 'forgot-password',
      to: user?.email ?? null,
      zoneinfo: user?.zoneinfo ?? null,
      values: {
        name: user ? describeUser(user).name : '',
        ...{ code, minutes },
        link: `${deps.issuer}/reset-password?token=${sent.token}`,
        linkMinutes: LINK_LIFE / 60_000,
      },
      expiresAt: deps.clock.now() + LINK_LIFE,
    });
  }

  return {
    /**
     * Sends a code, and by mail a link, to the proved address or number of whoever is
     * meant. What comes back and the work are the same for nobody, for an account that is
     * closed and for an address that was never proved (ASVS 6.3.8).
     * @param locale languages of the request, best first
     * @throws AppError IDENT_VALIDATION, IDENT_RATE_LIMITED, IDENT_LOCKED, IDENT_UNAVAILABLE
     */
    async forgot(claim: RecoveryClaim, locale: string | null): Promise<void> {
      const identifier = identify(claim.identifier);
      const channel = identifier.scheme === 'phone' ? 'sms' : 'mail';
      const tenantId = claim.tenantId ?? (await deps.tenants.ensurePlatform()).id;
      await assertReady(messenger, channel, tenantId);
      const { user, address } = await find(claim, identifier);
      const id = codeIdOf(claim, identifier);
      const made = await codes.request('forgot-password', id, { boundTo: boundTo(user) });
      const receiver = address ?? `nobody:${id}`;
      const { allowed } = await deps.rateLimits.hitAll(receiverLimits(receiver));
      const told = allowed ? user : undefined;
      // One by SMS would be in nobody's hands.
      const token = await issue(channel === 'mail' ? told : undefined, receiver, LINK_LIFE);
      const languages = [locale, user?.locale].filter(Boolean).join(' ') || null;
      await send(channel, { user: told, tenantId, locale: languages }, { ...made, token });
    },

    /**
     * Uses a code up. @returns the token of a link that stands for it
     * @throws AppError IDENT_VALIDATION, IDENT_TOKEN_SPENT, IDENT_LOCKED, IDENT_UNAVAILABLE
     */
    async useCode(claim: RecoveryClaim, code: string): Promise<string> {
      const identifier = identify(claim.identifier);
      const { user, address } = await find(claim, identifier);
      const id = codeIdOf(claim, identifier);
      await codes.verify('forgot-password', id, code, { boundTo: boundTo(user) });
      if (!user || address === undefined) throw new AppError('IDENT_TOKEN_SPENT');
      return issue(user, address, LINK_LIFE);
    },
  };
}
