import type { Context } from 'koa';
import { z } from 'zod';
import {
  type Address,
  emailAddress,
  type Profile,
  parseIdentifier,
  phoneNumber,
} from '../../features/user/index.ts';
import type { LinkingService } from '../../features/verification/index.ts';
import type { Sealer } from '../../infra/sealing.ts';
import { AppError } from '../../kernel/errors.ts';
import type { AddressModel, FormError } from '../../pages/index.ts';
import { createSealedCookie } from '../sealed-cookie.ts';
import { isPause } from '../step-failures.ts';
import { emailOf, phoneOf } from './overview.ts';
import { type AccountPage, type AccountVisit, accountPage } from './page.ts';

export interface ContactDeps {
  config: { ISSUER: string };
  sealer: Sealer;
  linking: LinkingService;
}

type Scheme = Address['scheme'];

const BASE = '/account/contact';

/** Milliseconds that a code is waited for; it lives no longer. */
const WAIT = 15 * 60_000;

/** A change that waits for its code, of the session that began it. */
const change = z.object({
  sessionId: z.string(),
  scheme: z.enum(['email', 'phone']),
  value: z.string(),
});

/** What was typed, as an address; undefined where it is none. */
function parse(scheme: Scheme, typed: string): string | undefined {
  if (scheme === 'email') return emailAddress.safeParse(typed).data;
  const found = parseIdentifier(typed);
  return phoneNumber.safeParse(found?.scheme === 'phone' ? found.value : typed).data;
}

const presentOf = (scheme: Scheme, person: Profile) =>
  scheme === 'email' ? emailOf(person) : phoneOf(person);

const languageOf = ({ ctx, locale }: AccountVisit): string =>
  [locale, ctx.get('accept-language').split(',', 1)[0]?.slice(0, 20)].filter(Boolean).join(' ');

/** The words for a duplicate are told only to whoever has proved the address. */
const TAKEN: Partial<Record<AppError['code'], string>> = {
  IDENT_EMAIL_DUPLICATE: 'account.address.taken',
  IDENT_PHONE_DUPLICATE: 'account.address.taken',
};

/** The pages about one kind of address: where it is typed, and where its code is. */
function addressPages(deps: ContactDeps, scheme: Scheme): AccountPage[] {
  const path = `${BASE}/${scheme}`;
  const codePath = `${path}/code`;
  const pending = createSealedCookie({
    name: `gh_account_${scheme}`,
    schema: change,
    sealer: deps.sealer,
    isSecure: deps.config.ISSUER.startsWith('https:'),
    maxAge: WAIT,
  });

  const findPending = ({ ctx, session }: { ctx: Context; session: { id: string } }) => {
    const found = pending.read(ctx);
    return found?.sessionId === session.id && found.scheme === scheme ? found : undefined;
  };

  const showForm = (
    visit: AccountVisit,
    typed: Pick<AddressModel, 'value'> & Partial<AddressModel>,
    status?: number,
  ) =>
    visit.render(
      'account-address',
      {
        ...{ scheme, action: path, backUrl: BASE, present: presentOf(scheme, visit.person) },
        ...{ error: null, fieldError: null },
        ...typed,
      },
      status,
    );

  const showCode = (
    visit: AccountVisit,
    sentTo: string,
    wrong: { error?: FormError; fieldError?: FormError } = {},
    status?: number,
  ) =>
    visit.render(
      'account-address-code',
      {
        ...{ scheme, action: codePath, resendAction: `${codePath}/resend`, backUrl: path, sentTo },
        ...{ error: null, fieldError: null },
        ...wrong,
      },
      status,
    );

  /** Sends a code and goes to where it is typed; one that was sent a moment ago is good still. */
  async function send(visit: AccountVisit, value: string, notice?: FormError): Promise<void> {
    const { ctx, session, person } = visit;
    const before = findPending(visit);
    try {
      await deps.linking.request(person.id, { scheme, value }, languageOf(visit));
    } catch (error) {
      if (!isPause(error) || before?.value !== value) throw error;
      const { status, error: said } = visit.explain(error);
      return showCode(visit, value, { error: said }, status);
    }
    pending.write(ctx, { sessionId: session.id, scheme, value });
    visit.redirect(codePath, notice);
  }

  async function submitAddress(visit: AccountVisit, typed: string): Promise<void> {
    const value = parse(scheme, typed);
    if (value === undefined) {
      const fieldError = { id: scheme === 'email' ? 'sign-up.field.email' : 'sign-up.field.phone' };
      return showForm(visit, { value: typed, fieldError }, 400);
    }
    const present = presentOf(scheme, visit.person);
    if (present?.isVerified && present.value.toLowerCase() === value.toLowerCase()) {
      return showForm(visit, { value: typed, fieldError: { id: 'account.address.same' } }, 400);
    }
    try {
      await send(visit, value);
    } catch (error) {
      const { status, error: said } = visit.explain(error);
      await showForm(visit, { value: typed, error: said }, status);
    }
  }

  async function submitCode(visit: AccountVisit, code: string): Promise<void> {
    const found = findPending(visit);
    if (!found) return visit.redirect(path);
    const { value } = found;
    if (!/^\d{6}$/.test(code)) {
      const id = code === '' ? 'code.error.required' : 'code.error.wrong';
      return showCode(visit, value, { fieldError: { id } }, 400);
    }
    try {
      await deps.linking.verify(visit.person.id, { scheme, value }, code);
    } catch (error) {
      const taken = error instanceof AppError ? TAKEN[error.code] : undefined;
      if (taken && error instanceof AppError) {
        pending.clear(visit.ctx);
        return showForm(visit, { value, fieldError: { id: taken } }, error.status);
      }
      const { status, error: said } = visit.explain(error);
      const isWrong = said.id === 'code.error.wrong';
      return showCode(visit, value, isWrong ? { fieldError: said } : { error: said }, status);
    }
    pending.clear(visit.ctx);
    visit.redirect(BASE, { id: `account.notice.${scheme}` });
  }

  const shared = { section: 'contact', fresh: true } as const;
  return [
    accountPage({
      ...shared,
      path,
      get(visit) {
        const present = presentOf(scheme, visit.person);
        return showForm(visit, { value: present && !present.isVerified ? present.value : '' });
      },
      post: (visit, form) => submitAddress(visit, form.get('address')?.trim() ?? ''),
    }),
    accountPage({
      ...shared,
      path: codePath,
      get(visit) {
        const found = findPending(visit);
        return found ? showCode(visit, found.value) : visit.redirect(path);
      },
      post: (visit, form) => submitCode(visit, form.get('code')?.replaceAll(/\s/g, '') ?? ''),
    }),
    accountPage({
      ...shared,
      path: `${codePath}/resend`,
      from: codePath,
      async post(visit) {
        const found = findPending(visit);
        if (!found) return visit.redirect(path);
        try {
          await send(visit, found.value, { id: 'code.resent' });
        } catch (error) {
          const { status, error: said } = visit.explain(error);
          await showCode(visit, found.value, { error: said }, status);
        }
      },
    }),
  ];
}

/** Addresses of the person: which there are, and how another takes the place of one. */
export const contactPages = (deps: ContactDeps): AccountPage[] => [
  accountPage({
    path: BASE,
    section: 'contact',
    get: (visit) =>
      visit.render('account-contact', {
        email: emailOf(visit.person),
        phone: phoneOf(visit.person),
        username: visit.person.username,
        emailUrl: `${BASE}/email`,
        phoneUrl: `${BASE}/phone`,
      }),
  }),
  ...addressPages(deps, 'email'),
  ...addressPages(deps, 'phone'),
];
