import type { WebAuthnPort } from '../../../features/mfa/index.ts';
import type { FormError } from '../../../pages/index.ts';
import { type AccountPage, type AccountVisit, accountPage } from '../page.ts';
import { afterChange, isCode, labelOf, refOf, SECURITY } from './factors.ts';
import { type RecoveryDeps, showNewCodes } from './recovery.ts';

export interface PasskeyDeps extends RecoveryDeps {
  webauthn: Pick<WebAuthnPort, 'registrationOptions' | 'register'>;
}

const NEW = `${SECURITY}/passkeys/new`;
const OPTIONS = `${SECURITY}/passkeys/options`;

/** A ceremony belongs to the session that it was begun in. */
const bindingOf = ({ session }: AccountVisit): string => `account:${session.id}`;

/** The answer of `navigator.credentials.create`; undefined where it is not even JSON. */
function readResponse(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}

/** What a person can do about a refusal. @throws the error itself where that is nothing */
function failureOf(error: unknown): FormError {
  if (isCode(error, 'IDENT_WEBAUTHN_LIMIT')) return { id: 'account.security.passkeys-most' };
  if (isCode(error, 'IDENT_VALIDATION') || isCode(error, 'IDENT_TOKEN_SPENT')) {
    return { id: 'account.passkey.error' };
  }
  throw error;
}

/** Makes a passkey, with the script. */
function newPasskeyPage(deps: PasskeyDeps): AccountPage {
  async function show(visit: AccountVisit, name: string, error: FormError | null): Promise<void> {
    await visit.render(
      'account-passkey-new',
      { action: NEW, optionsUrl: OPTIONS, appUrl: `${SECURITY}/apps/new`, error, name },
      error === null ? 200 : 400,
    );
  }
  return accountPage({
    path: NEW,
    section: 'security',
    fresh: true,
    get: (visit) => show(visit, '', null),
    async post(visit, form) {
      const user = refOf(visit);
      const name = (form.get('name') ?? '').slice(0, 64);
      try {
        const response = readResponse(form.get('response'));
        await deps.webauthn.register(user, bindingOf(visit), { name, response });
      } catch (error) {
        return show(visit, name, failureOf(error));
      }
      const codes = await deps.recoveryCodes.generateFirst(user);
      if (codes.length > 0) return showNewCodes(deps, visit, codes, true);
      visit.redirect(await afterChange(deps, visit), { id: 'account.notice.passkey-added' });
    },
  });
}

/** What the script asks for before it makes a passkey. */
const optionsPage = (deps: PasskeyDeps): AccountPage =>
  accountPage({
    path: OPTIONS,
    section: 'security',
    from: NEW,
    fresh: true,
    async post(visit) {
      const { ctx, person } = visit;
      const label = labelOf(visit);
      const owner = { ...refOf(visit), label, displayName: person.name ?? label };
      ctx.set('Cache-Control', 'no-store');
      ctx.body = await deps.webauthn.registrationOptions(owner, bindingOf(visit));
    },
  });

export const passkeyPages = (deps: PasskeyDeps): AccountPage[] => [
  newPasskeyPage(deps),
  optionsPage(deps),
];
