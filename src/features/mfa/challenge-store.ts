import type { Redis } from 'ioredis';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { Sealer } from '../../infra/sealing.ts';
import type { Clock } from '../../kernel/clock.ts';
import { sha256 } from '../../kernel/crypto.ts';
import { AppError } from '../../kernel/errors.ts';
import { newSecret } from '../../kernel/ids.ts';
import { BEGIN, FAIL, GIVE_BACK, NOTE, TAKE } from './challenge-scripts.ts';
import type { AuthenticatorType, SecondFactorMethod } from './schema.ts';

/** Milliseconds between password and second factor. */
export const CHALLENGE_LIFE = 5 * 60_000;

/** Wrong answers that end a challenge. */
export const MOST_WRONG = 3;

/** The sign-in that waits: what was proved, where, and what is still to be done. */
export interface Pending {
  userId: string;
  /** The home tenant. */
  tenantId: string;
  /** The tenant that was asked for; null leaves it open. */
  wantedTenantId: string | null;
  /** When the password was set that the person had then, milliseconds; null without one. */
  passwordSetAt: number | null;
  /** When the person was last signed out everywhere, milliseconds: what came before is void. */
  signedOutAt: number | null;
  /** As in `Proof`: only where the password is part of what was proved. */
  provedPasswordSetAt?: string;
  amr: string[];
  clientId: string | null;
  /** As in `Proof`. */
  device?: string | null;
  acrValues?: string[];
  /** Seconds since the epoch, where a session is stepped up: of its sign-in. */
  authTime?: number;
  methods: SecondFactorMethod[];
  enroll: AuthenticatorType[];
  mayPostpone: boolean;
  postponeUntil: number | null;
  rememberDays: number;
  sentTo: { email: string | null; sms: string | null };
}

/** A challenge that is open. */
export interface OpenChallenge extends Pending {
  /** The signed id. */
  id: string;
  /** What the signed id names: 256 bits. */
  nonce: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** The authenticator that is being set up. */
  enrolling: string | null;
}

export interface ChallengeStoreDeps {
  /** Fails fast while down: nothing is decided then (ASVS 16.5.3). */
  redis: Redis;
  clock: Clock;
  sealer: Sealer;
  /** Keys that ids are signed with, the one that signs first. */
  keys: readonly Buffer[];
  issuer: string;
}

interface Commands {
  gatehouseMfaBegin(key: string, state: string, expires: number, life: number): Promise<number>;
  gatehouseMfaTake(key: string, now: number, most: number): Promise<number>;
  gatehouseMfaGiveBack(key: string): Promise<number>;
  gatehouseMfaFail(key: string, most: number): Promise<number>;
  gatehouseMfaNote(key: string, enrolling: string): Promise<number>;
}

/** Media type of the signed ids, so that none passes for another JWT of ours (RFC 8725 3.11). */
const TYPE = 'mfa-challenge+jwt';

const keyOf = (nonce: string): string =>
  `mfa:challenge:${sha256(`mfa-challenge:${nonce}`).toString('base64url')}`;

/** What a challenge is sealed as: its state opens in the place of no other. */
const sealedAs = (nonce: string): string => `mfa-challenge:${nonce}`;

export const challengeGone = (): AppError => new AppError('IDENT_TOKEN_SPENT');

export type ChallengeStore = ReturnType<typeof createChallengeStore>;

/** Ids of challenges: signed, so that nobody can have others looked up, and good for one use. */
function createChallengeIds({ keys, issuer, clock }: ChallengeStoreDeps) {
  const [newest] = keys;
  if (!newest) throw new Error('a key for challenges is needed');
  return {
    sign: (nonce: string, expiresAt: number): Promise<string> =>
      new SignJWT()
        .setProtectedHeader({ alg: 'HS256', typ: TYPE })
        .setIssuer(issuer)
        .setAudience(issuer)
        .setJti(nonce)
        .setIssuedAt(Math.floor(clock.now() / 1_000))
        .setExpirationTime(Math.ceil(expiresAt / 1_000))
        .sign(newest),

    /** @throws AppError IDENT_TOKEN_SPENT for one that is not ours, was changed or has expired */
    async open(id: string): Promise<string> {
      for (const key of keys) {
        try {
          const { payload } = await jwtVerify(id, key, {
            algorithms: ['HS256'],
            typ: TYPE,
            issuer,
            audience: issuer,
            currentDate: new Date(clock.now()),
            requiredClaims: ['exp', 'jti'],
          });
          return String(payload.jti);
        } catch (error) {
          if (!(error instanceof errors.JOSEError)) throw error;
        }
      }
      throw challengeGone();
    },
  };
}

/** Challenges that are open, and what is left of their tries. */
export function createChallengeStore(deps: ChallengeStoreDeps) {
  const { redis, clock, sealer } = deps;
  redis.defineCommand('gatehouseMfaBegin', { numberOfKeys: 1, lua: BEGIN });
  redis.defineCommand('gatehouseMfaTake', { numberOfKeys: 1, lua: TAKE });
  redis.defineCommand('gatehouseMfaGiveBack', { numberOfKeys: 1, lua: GIVE_BACK });
  redis.defineCommand('gatehouseMfaFail', { numberOfKeys: 1, lua: FAIL });
  redis.defineCommand('gatehouseMfaNote', { numberOfKeys: 1, lua: NOTE });
  const commands = redis as Redis & Commands;
  const ids = createChallengeIds(deps);

  return {
    async begin(pending: Pending): Promise<OpenChallenge> {
      const nonce = newSecret();
      const expiresAt = Math.floor(clock.now()) + CHALLENGE_LIFE;
      const state = sealer.seal(JSON.stringify(pending), sealedAs(nonce)).toString('base64');
      await commands.gatehouseMfaBegin(keyOf(nonce), state, expiresAt, CHALLENGE_LIFE);
      return {
        ...pending,
        nonce,
        expiresAt,
        enrolling: null,
        id: await ids.sign(nonce, expiresAt),
      };
    },

    /** @throws AppError IDENT_TOKEN_SPENT for one that is unknown, expired or finished */
    async find(id: string): Promise<OpenChallenge> {
      const nonce = await ids.open(id);
      const { state, expires, enrolling } = await redis.hgetall(keyOf(nonce));
      if (state === undefined || Number(expires) <= clock.now()) throw challengeGone();
      const pending = JSON.parse(
        sealer.open(Buffer.from(state, 'base64'), sealedAs(nonce)).toString(),
      ) as Pending;
      return { ...pending, id, nonce, expiresAt: Number(expires), enrolling: enrolling ?? null };
    },

    /** Takes a try. @throws AppError IDENT_TOKEN_SPENT where none is left */
    async take({ nonce }: OpenChallenge): Promise<void> {
      const now = Math.floor(clock.now());
      if ((await commands.gatehouseMfaTake(keyOf(nonce), now, MOST_WRONG)) !== 1) {
        throw challengeGone();
      }
    },

    /** Gives a try back that was not looked at. */
    async giveBack({ nonce }: OpenChallenge): Promise<void> {
      await commands.gatehouseMfaGiveBack(keyOf(nonce));
    },

    /** Counts a wrong answer. @returns how many are left; at 0 this one has ended the challenge */
    fail: ({ nonce }: OpenChallenge): Promise<number> =>
      commands.gatehouseMfaFail(keyOf(nonce), MOST_WRONG),

    /** Ends a challenge. @returns whether this call did: of any number at once, one */
    async end({ nonce }: OpenChallenge): Promise<boolean> {
      return (await redis.del(keyOf(nonce))) === 1;
    },

    async noteEnrolling({ nonce }: OpenChallenge, id: string): Promise<void> {
      await commands.gatehouseMfaNote(keyOf(nonce), id);
    },

    /**
     * Does work of which there is one at a time for a person, such as setting up the
     * first factor. @throws AppError IDENT_TOKEN_SPENT where it is under way elsewhere
     */
    async exclusively<T>({ userId }: OpenChallenge, work: () => Promise<T>): Promise<T> {
      const key = `mfa:enrolling:${userId}`;
      const owner = newSecret(16);
      if ((await redis.set(key, owner, 'PX', 30_000, 'NX')) !== 'OK') throw challengeGone();
      try {
        return await work();
      } finally {
        if ((await redis.get(key)) === owner) await redis.del(key);
      }
    },
  };
}
