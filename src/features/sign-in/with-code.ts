import type { CodeNamespace, OneTimeCodes } from '../../infra/one-time-codes.ts';
import { AppError } from '../../kernel/errors.ts';
import { newId } from '../../kernel/ids.ts';
import { assertReady, type Messenger } from '../messaging/index.ts';
import type { TenantService } from '../tenant/index.ts';
import { describeUser, type Identifier, parseIdentifier } from '../user/index.ts';
import { type AdmissionDeps, createAdmission, proofBy, type SignedIn } from './admission.ts';
import type { KnownBrowsers } from './browsers.ts';
import {
  type Candidate,
  type CandidateDeps,
  type Claim,
  createFindCandidate,
} from './candidates.ts';
import type { FailureReason } from './events.ts';
import { accountKey } from './lockout.ts';
import { createTries, type TryDeps } from './tries.ts';

export interface CodeSignInDeps extends TryDeps, AdmissionDeps, CandidateDeps {
  browsers: KnownBrowsers;
  tenants: CandidateDeps['tenants'] & Pick<TenantService, 'find' | 'ensurePlatform'>;
  codes: Pick<OneTimeCodes, 'request' | 'verify'>;
  messenger: Pick<Messenger, 'isReady' | 'send'>;
}

/** Whose code, as typed; a username has none. */
interface CodeClaim extends Claim {
  /** E-mail address or phone number, as typed. */
  identifier: string;
  /** The device cookie as it came, null without one; undefined from callers without cookies. */
  device?: string | null | undefined;
}

export interface CodeRequest extends CodeClaim {
  /** Language tags, best first, separated by spaces. */
  locale: string | null;
}

export interface CodeProof extends CodeClaim {
  code: string;
  clientId: string | null;
  clientIp: string | null;
  /** Authentication context classes that the request needs, any of them. */
  acrValues?: readonly string[] | undefined;
}

const BY_MAIL = { channel: 'mail', namespace: 'email-auth', amr: ['otp'] } as const;
/** SMS are told apart, as NIST SP 800-63B-4 restricts them. */
const BY_SMS = { channel: 'sms', namespace: 'phone-auth', amr: ['otp', 'sms'] } as const;
type Way = typeof BY_MAIL | typeof BY_SMS;

interface Meant {
  way: Way;
  /** By what codes of this identifier are found, also where nobody has it. */
  codeId: string;
  account: string;
  candidate: Candidate | undefined;
  /** The one who may sign in by a code; nobody else is sent one. */
  allowed: Candidate | undefined;
  reason: FailureReason;
  /** Names a browser that the account has signed in from before. */
  browser: string | null;
}

const wayOf = (identifier: Identifier | undefined): Way =>
  identifier?.scheme === 'phone' ? BY_SMS : BY_MAIL;

/** Whether this very identifier is the user's and proved. */
const isProved = (user: Candidate, scheme: Identifier['scheme']): boolean =>
  (scheme === 'email' && user.emailVerified) || (scheme === 'phone' && user.phoneVerified);

/**
 * Sign-in by a code that is sent to a proved address, where the tenant allows it.
 * Whatever speaks against it, the answer and the work are the same.
 */
export function createCodeSignIn(deps: CodeSignInDeps) {
  const findCandidate = createFindCandidate(deps);
  const { admit } = createAdmission(deps);
  const tries = createTries(deps);

  const fallbackTenant = async ({ tenantId }: Claim): Promise<string> =>
    tenantId ?? (await deps.tenants.ensurePlatform()).id;

  async function reasonAgainst(
    candidate: Candidate | undefined,
    identifier: Identifier | undefined,
    fallback: string,
  ): Promise<FailureReason | undefined> {
    const tenant = await deps.tenants.find(candidate?.tenantId ?? fallback);
    if (!candidate || !identifier) return 'unknown_user';
    if (candidate.status !== 'active') return 'not_active';
    const isAllowed =
      identifier.scheme === 'phone'
        ? tenant?.settings.smsCodeSignIn
        : tenant?.settings.emailCodeSignIn;
    return isAllowed && isProved(candidate, identifier.scheme) ? undefined : 'no_code';
  }

  /** Whom the claim means, and whether a code may sign them in; the same work for nobody. */
  async function resolve(claim: CodeClaim, fallback: string): Promise<Meant> {
    const identifier = parseIdentifier(claim.identifier);
    const found = await findCandidate(claim, identifier);
    const candidate = found === 'ambiguous' ? undefined : found;
    const reason = await reasonAgainst(candidate, identifier, fallback);
    return {
      way: wayOf(identifier),
      codeId: `${identifier?.scheme ?? 'none'}:${identifier?.value ?? ''}`,
      account: candidate ? accountKey(candidate.id) : `name:${identifier?.value ?? ''}`,
      candidate,
      allowed: reason === undefined ? candidate : undefined,
      reason: found === 'ambiguous' ? 'ambiguous' : (reason ?? 'wrong_code'),
      browser: await deps.browsers.recognise(candidate ?? null, claim.device),
    };
  }

  const codeOptions = ({ allowed, browser }: Meant) => ({
    boundTo: allowed?.id ?? '',
    ...(browser === null ? {} : { browser }),
  });

  async function send(
    namespace: CodeNamespace,
    meant: Meant,
    message: {
      code: string;
      minutes: number;
      expiresAt: number;
      fallback: string;
      locale: string | null;
    },
  ): Promise<void> {
    const { allowed, way } = meant;
    const { code, minutes, expiresAt, locale } = message;
    const base = {
      tenantId: allowed?.tenantId ?? message.fallback,
      locale: [locale, allowed?.locale].filter(Boolean).join(' ') || null,
      expiresAt,
      isReadinessKnown: true,
    };
    const id = `${namespace}-${newId()}`;
    if (way.channel === 'sms') {
      const to = allowed?.phone ?? null;
      await deps.messenger.send(id, {
        ...base,
        to,
        template: 'phone-auth',
        values: { code, minutes },
      });
      return;
    }
    const values = { name: allowed ? describeUser(allowed).name : '', code, minutes };
    await deps.messenger.send(id, {
      ...base,
      to: allowed?.email ?? null,
      template: 'email-auth',
      values,
    });
  }

  return {
    /**
     * Sends a code to sign in by, if that is possible; who asks is not told.
     * @throws AppError IDENT_RATE_LIMITED, IDENT_LOCKED, IDENT_UNAVAILABLE
     */
    async requestCode(request: CodeRequest): Promise<void> {
      const { channel, namespace } = wayOf(parseIdentifier(request.identifier));
      const fallback = await fallbackTenant(request);
      await assertReady(deps.messenger, channel, fallback);
      const meant = await resolve(request, fallback);
      // An account that failed tries have closed opens by no other way (CVE-2026-9798).
      const isLocked = await deps.attempts.isLocked(meant.account, meant.browser);
      const made = await deps.codes.request(namespace, meant.codeId, codeOptions(meant));
      const receiver = isLocked ? { ...meant, allowed: undefined } : meant;
      await send(namespace, receiver, { ...made, fallback, locale: request.locale });
    },

    /**
     * Signs in by a code. Wrong tries count like wrong passwords.
     * @throws AppError IDENT_TOKEN_SPENT, IDENT_RATE_LIMITED, IDENT_LOCKED, IDENT_UNAVAILABLE,
     *   IDENT_MFA_REQUIRED
     */
    async withCode(proof: CodeProof): Promise<SignedIn> {
      const meant = await resolve(proof, await fallbackTenant(proof));
      const { candidate, allowed, account, browser, way } = meant;
      const facts = { userId: candidate?.id ?? null, tenantId: candidate?.tenantId ?? null };
      const attempt = { clientIp: proof.clientIp, account, device: browser };
      const taken = await tries.take(attempt, facts);
      try {
        await deps.codes.verify(way.namespace, meant.codeId, proof.code, codeOptions(meant));
      } catch (error) {
        const isSpent = error instanceof AppError && error.code === 'IDENT_TOKEN_SPENT';
        if (!isSpent) {
          // The code was not looked at, so the attempt does not count.
          await taken.giveBack();
          throw error;
        }
        const { reason } = meant;
        const { clientId } = proof;
        await tries.fail({ candidate, clientId, reason, lockedUntil: taken.lockedUntil });
        throw error;
      }
      if (!allowed) throw new AppError('IDENT_TOKEN_SPENT');
      const [signedIn] = await Promise.all([
        admit(allowed, proofBy(way.amr, proof)),
        taken.giveBack(),
      ]);
      deps.onResult('success', facts);
      return signedIn;
    },
  };
}
