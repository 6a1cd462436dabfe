import type { Context } from 'koa';
import type { AuthenticatorType, Challenges, EnrolmentAnswer } from '../../features/mfa/index.ts';
import { currentRequest } from '../../kernel/current-request.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import { qrCode } from '../../web/qr-code.ts';
import type { StepFailure } from '../../web/step-failures.ts';
import type { Complete } from './completion.ts';
import type { DueFactors, FactorStep } from './due-factor.ts';
import { readAnswer } from './passkey-form.ts';
import { pathOf, seeOther } from './steps.ts';

export interface SetUpStepDeps {
  mfa: Pick<Challenges, 'enrollTotp' | 'registrationOptions' | 'enroll' | 'postpone'>;
  pages: PageRenderer;
}

/** The page of each kind, below `set-up/`. */
const setUpPages = { webauthn: 'passkey', totp: 'app' } as const;

/** A base32 seed as people type it. */
const inGroups = (secret: string): string => secret.match(/.{1,4}/g)?.join(' ') ?? secret;

/** The last moment of a grace period, in words; in UTC, as no browser tells its zone. */
const dayOf = (instant: number, locale: string): string =>
  new Intl.DateTimeFormat(locale === 'en' ? 'en-GB' : locale, {
    year: 'numeric',
    month: 'long',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    timeZoneName: 'short',
    timeZone: 'UTC',
  }).format(instant);

const WORDS = {
  totp: { wrong: 'set-up.error.code', gone: 'set-up.error.code' },
  webauthn: { wrong: 'set-up.error.passkey', gone: 'set-up.error.passkey' },
} as const;

/** The steps in which a person sets up a second factor that is demanded. */
export function createSetUpStep(deps: SetUpStepDeps, due: DueFactors, complete: Complete) {
  /** Whether there is a choice to go back to. */
  const backOf = ({ step, challenge }: FactorStep): string | null =>
    challenge.enroll.length > 1 || challenge.mayPostpone ? pathOf(step, 'set-up') : null;

  /** What is due, where this may be set up; else answers. */
  async function admit<F extends FactorStep>(
    ctx: Context,
    found: F | undefined,
    type?: AuthenticatorType,
  ): Promise<F | undefined> {
    if (!found) return undefined;
    const { enroll } = found.challenge;
    if (type ? enroll.includes(type) : enroll.length > 0) return found;
    seeOther(ctx, pathOf(found.step, enroll.length > 0 ? 'set-up' : 'second-factor'));
    return undefined;
  }

  async function renderApp(ctx: Context, found: FactorStep, failure?: StepFailure): Promise<void> {
    const { step, challenge } = found;
    const app = await deps.mfa.enrollTotp(challenge.id);
    await deps.pages.render(
      ctx,
      'set-up-app',
      {
        ...due.formOf(found),
        action: pathOf(step, 'set-up/app'),
        qr: qrCode(app.uri),
        uri: app.uri,
        key: inGroups(app.secret),
        enrolment: app.id,
        backUrl: backOf(found),
        error: failure?.error ?? null,
      },
      { ...step.page, status: failure?.status ?? 200 },
    );
  }

  const renderPasskey = (ctx: Context, found: FactorStep, failure?: StepFailure): Promise<void> =>
    deps.pages.render(
      ctx,
      'set-up-passkey',
      {
        ...due.formOf(found),
        action: pathOf(found.step, 'set-up/passkey'),
        optionsUrl: pathOf(found.step, 'set-up/passkey/options'),
        backUrl: backOf(found),
        error: failure?.error ?? null,
      },
      { ...found.step.page, status: failure?.status ?? 200 },
    );

  const render = { totp: renderApp, webauthn: renderPasskey };

  /** The page, or the end of the challenge where one was set up elsewhere meanwhile. */
  async function renderOrEnd(
    ctx: Context,
    found: FactorStep,
    type: AuthenticatorType,
    failure?: StepFailure,
  ): Promise<void> {
    try {
      await render[type](ctx, found, failure);
    } catch (error) {
      await due.refuse(ctx, found, error, WORDS[type], () => Promise.reject(error));
    }
  }

  /** Ends the sign-in by what was set up. */
  const enroll = (ctx: Context, found: FactorStep, answer: EnrolmentAnswer): Promise<void> =>
    complete(
      ctx,
      found.step,
      async () => {
        const clientIp = currentRequest()?.clientIp ?? null;
        const { id } = found.challenge;
        const { signedIn, recoveryCodes } = await deps.mfa.enroll(id, answer, { clientIp });
        return { ...signedIn, recoveryCodes };
      },
      (error) =>
        due.refuse(ctx, found, error, WORDS[answer.type], (failure) =>
          render[answer.type](ctx, found, failure),
        ),
    );

  return {
    async begin(ctx: Context): Promise<void> {
      const found = await admit(ctx, await due.load(ctx));
      if (!found) return;
      const { step, challenge } = found;
      const [only] = challenge.enroll;
      if (only && backOf(found) === null) {
        return seeOther(ctx, pathOf(step, `set-up/${setUpPages[only]}`));
      }
      const { mayPostpone, postponeUntil } = challenge;
      const page = (type: AuthenticatorType) =>
        challenge.enroll.includes(type) ? pathOf(step, `set-up/${setUpPages[type]}`) : null;
      await deps.pages.render(
        ctx,
        'set-up',
        (_, locale) => ({
          ...due.formOf(found),
          passkeyUrl: page('webauthn'),
          appUrl: page('totp'),
          laterAction: mayPostpone ? pathOf(step, 'set-up/later') : null,
          laterUntil: postponeUntil === null ? null : dayOf(postponeUntil, locale),
        }),
        step.page,
      );
    },

    show:
      (type: AuthenticatorType) =>
      async (ctx: Context): Promise<void> => {
        const found = await admit(ctx, await due.load(ctx), type);
        if (found) await renderOrEnd(ctx, found, type);
      },

    async submitApp(ctx: Context): Promise<void> {
      const found = await admit(ctx, await due.submission(ctx), 'totp');
      if (!found) return;
      const code = found.form.get('code')?.replace(/\s/g, '') ?? '';
      if (code === '') {
        const error = { id: 'second-factor.error.required' };
        return renderOrEnd(ctx, found, 'totp', { status: 400, error });
      }
      await enroll(ctx, found, { type: 'totp', id: found.form.get('enrolment') ?? '', code });
    },

    async submitPasskey(ctx: Context): Promise<void> {
      const found = await admit(ctx, await due.submission(ctx), 'webauthn');
      if (!found) return;
      const response = readAnswer(found.form);
      if (response === undefined) {
        const error = { id: WORDS.webauthn.gone };
        return renderPasskey(ctx, found, { status: 400, error });
      }
      await enroll(ctx, found, { type: 'webauthn', response });
    },

    /** What the script hands to `navigator.credentials.create`. */
    async options(ctx: Context): Promise<void> {
      const found = await admit(ctx, await due.submission(ctx), 'webauthn');
      if (!found) return;
      ctx.set('Cache-Control', 'no-store');
      ctx.body = await deps.mfa.registrationOptions(found.challenge.id);
    },

    async postpone(ctx: Context): Promise<void> {
      const found = await admit(ctx, await due.submission(ctx));
      if (!found) return;
      const { step, challenge } = found;
      if (!challenge.mayPostpone) return seeOther(ctx, pathOf(step, 'set-up'));
      await complete(
        ctx,
        step,
        () => deps.mfa.postpone(challenge.id),
        (error) =>
          due.refuse(ctx, found, error, WORDS.totp, async () =>
            seeOther(ctx, pathOf(step, 'set-up')),
          ),
      );
    },
  };
}
