import { AppError, type FieldError } from '../../kernel/errors.ts';
import { type TenantService, tenantSettings } from '../tenant/index.ts';
import { isCommon } from './common.ts';
import { isMadeOfContext } from './context-words.ts';

/** Why a password is refused; the extension member `reason` of the error. */
export type PasswordFault = 'too_short' | 'too_long' | 'common' | 'context' | 'breached';

/** 0, guessed at once, to 4, beyond guessing; null when there is no time to tell. */
export type Strength = 0 | 1 | 2 | 3 | 4 | null;

export interface PasswordPolicyDeps {
  tenants: Pick<TenantService, 'find'>;
  breaches: {
    /** Whether a password is known from a breach; false where that cannot be told. */
    isKnown(password: string): Promise<boolean>;
  };
  strength: { estimate(password: string, words: readonly string[]): Promise<Strength> };
}

/** Whose password it is to be. */
export interface PasswordFor {
  /** Whose rules hold; null where that is not known. */
  tenantId: string | null;
  /** Names, addresses and numbers of the person. */
  words: readonly string[];
  /** The member of the request that holds it; `password` unless given. */
  path?: string;
}

export interface PasswordPolicy {
  /**
   * Whether a password may be used (NIST SP 800-63B-4 3.1.1, ASVS 6.2): by its length, and
   * by whether it is one that is tried first. Nothing is asked of its composition.
   * @throws AppError IDENT_WEAK_PASSWORD, IDENT_BREACHED_PASSWORD, with the field, why in words,
   *   and `reason`
   */
  check(password: string, whose: PasswordFor): Promise<void>;
  /** How hard a password is to guess, to be shown to the person; refuses nothing. */
  strength(password: string, words: readonly string[]): Promise<Strength>;
}

/** Most characters of a password, counted as code points after NFKC; NIST asks for 64 or more. */
export const LONGEST_PASSWORD = 256;

/** Characters as they are sent, at most; what normalises to fewer than the above is no longer. */
export const LONGEST_PASSWORD_INPUT = 1_024;

/** The product's name is tried first, too. */
const PRODUCT = 'Gatehouse';

const defaults = tenantSettings.parse({});

const MESSAGES = {
  common: 'is one of the passwords that are tried first',
  context: 'is made of names, addresses or numbers of yours, of the organisation or the product',
  breached: 'is known from a breach of another service',
} as const;

function refuse(reason: PasswordFault, path: string, message: string, detail?: string): never {
  const errors: FieldError[] = [{ path, message }];
  throw new AppError(reason === 'breached' ? 'IDENT_BREACHED_PASSWORD' : 'IDENT_WEAK_PASSWORD', {
    errors,
    extensions: { reason },
    ...(detail ? { detail } : {}),
  });
}

function checkLength(password: string, normalised: string, min: number, path: string): void {
  const detail = `Use ${min} to ${LONGEST_PASSWORD} characters.`;
  const length = Array.from(normalised).length;
  if (length < min) refuse('too_short', path, `must have ${min} or more characters`, detail);
  if (length > LONGEST_PASSWORD || password.length > LONGEST_PASSWORD_INPUT) {
    refuse('too_long', path, `must have ${LONGEST_PASSWORD} characters or fewer`, detail);
  }
}

/** The policy for new passwords; what is kept already is never judged by it (ASVS 6.2.10). */
export function createPasswordPolicy(deps: PasswordPolicyDeps): PasswordPolicy {
  return {
    async check(password, { tenantId, words, path = 'password' }) {
      const tenant = tenantId === null ? undefined : await deps.tenants.find(tenantId);
      const normalised = password.slice(0, LONGEST_PASSWORD_INPUT).normalize('NFKC');
      const { passwordMinLength: min } = tenant?.settings ?? defaults;
      checkLength(password, normalised, min, path);
      if (await isCommon(normalised)) refuse('common', path, MESSAGES.common);
      const context = [PRODUCT, tenant?.name, tenant?.slug, ...words].filter(
        (word) => word !== undefined,
      );
      if (isMadeOfContext(normalised, context)) refuse('context', path, MESSAGES.context);
      if (await deps.breaches.isKnown(normalised)) refuse('breached', path, MESSAGES.breached);
    },
    strength: (password, words) => deps.strength.estimate(password, [PRODUCT, ...words]),
  };
}
