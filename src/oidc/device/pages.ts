import type { Context } from 'koa';
import type { Client, KoaContextWithOIDC } from 'oidc-provider';
import { currentRequest } from '../../kernel/current-request.ts';
import type { PageModels } from '../../pages/index.ts';
import type { PageContext, PageRenderer } from '../../web/page-renderer.ts';
import type { ClientDirectory } from '../clients/documents.ts';
import type { SelfSubmittingForm } from '../self-submitting-form.ts';
import { clientName } from '../sign-in-page.ts';
import { TooManyGuesses } from './guesses.ts';

/** Where codes are typed. */
const PATH = '/device';

/** Longest text of another device that a page shows, in characters. */
const LONGEST_AGENT = 120;

/** What is kept of the device that asked: its address, and what it says of itself. */
type DeviceInfo = Record<string, unknown>;

/** The pages of the device flow (RFC 8628 3.3), as the engine asks for them. */
export interface DevicePages {
  deviceInfo(ctx: KoaContextWithOIDC): DeviceInfo;
  userCodeInputSource(
    ctx: KoaContextWithOIDC,
    form: string,
    out?: { error: string },
    error?: Error & { userCode?: string; status?: number },
  ): Promise<void>;
  userCodeConfirmSource(
    ctx: KoaContextWithOIDC,
    form: string,
    client: Client,
    deviceInfo: DeviceInfo,
    userCode: string,
  ): Promise<void>;
  successSource(ctx: KoaContextWithOIDC): Promise<void>;
  /**
   * The page on which a code from a link is confirmed as one's own, in place of
   * the engine's form that sends itself. @returns whether the form was that one
   */
  renderPrefilled(ctx: Context, form: SelfSubmittingForm): Promise<boolean>;
}

/** The engine's names of what can be wrong with a code, as messages. */
const MISTAKES: Record<string, string> = {
  NoCodeError: 'device.error.required',
  NotFoundError: 'device.error.unknown',
  ExpiredError: 'device.error.expired',
  AlreadyUsedError: 'device.error.used',
  SessionNotFound: 'device.error.again',
  InvalidRequest: 'device.error.again',
};

/** What is wrong with the page, and with which status it answers. */
function toMistake(error: (Error & { status?: number }) | undefined) {
  if (!error) return { status: 200, error: null };
  if (error instanceof TooManyGuesses) {
    const minutes = Math.max(1, Math.ceil(error.retryAfter / 60));
    return { status: 429, error: { id: 'device.error.too-many', values: { minutes } } };
  }
  const id = MISTAKES[error.name] ?? MISTAKES[error.constructor.name];
  if (id) return { status: 400, error: { id } };
  const status = error.status !== undefined && error.status >= 400 ? error.status : 500;
  return {
    status,
    error: { id: status >= 500 ? 'device.error.unavailable' : 'device.error.again' },
  };
}

/** The engine hands over a whole form; only its token is needed. */
function xsrfOf(form: string): string {
  const value = /name="xsrf" value="([\w-]+)"/.exec(form)?.[1];
  if (!value) throw new Error('oidc-provider changed its form for user codes');
  return value;
}

const inputOf = (form: SelfSubmittingForm, name: string): string | undefined =>
  form.inputs.find((input) => input.name === name)?.value;

/**
 * A form without a session is refused before one is saved, and the engine would
 * save what it has put in for the page: a failure. Such a form starts anew.
 * @returns whether there is no session
 */
function forgetUnsaved({ oidc }: KoaContextWithOIDC): boolean {
  const session = oidc.session as { exp?: number; touched?: boolean } | undefined;
  if (session === undefined || session.exp !== undefined) return false;
  session.touched = false;
  return true;
}

/** @param deps `clients` tell whose name and colour a page carries */
export function createDevicePages(deps: {
  pages: PageRenderer;
  clients: Pick<ClientDirectory, 'find'>;
}): DevicePages {
  const { pages, clients } = deps;

  async function contextOf(client: Client | undefined): Promise<PageContext> {
    if (!client) return {};
    return { tenantId: (await clients.find(client.clientId).catch(() => undefined))?.tenantId };
  }

  const showInput = (ctx: Context, model: PageModels['device'], status: number): Promise<void> =>
    pages.render(ctx, 'device', model, { status });

  async function showEnd(ctx: KoaContextWithOIDC, isDone: boolean): Promise<void> {
    const { client } = ctx.oidc;
    const model = { isDone, clientName: client ? clientName(client.metadata()) : null };
    await pages.render(ctx as unknown as Context, 'device-end', model, await contextOf(client));
  }

  return {
    deviceInfo: (ctx) => ({
      ip: currentRequest()?.clientIp ?? ctx.ip,
      ua: ctx.get('user-agent').slice(0, LONGEST_AGENT),
    }),
    async userCodeInputSource(ctx, form, _out, thrown) {
      if (thrown?.name === 'AbortedError') return showEnd(ctx, false);
      if (thrown && forgetUnsaved(ctx) && !(thrown instanceof TooManyGuesses)) {
        ctx.status = 303;
        return ctx.redirect(PATH);
      }
      const { status, error } = toMistake(thrown);
      if (thrown instanceof TooManyGuesses) ctx.set('Retry-After', String(thrown.retryAfter));
      const userCode = thrown?.userCode ?? '';
      const model = { action: PATH, xsrf: xsrfOf(form), userCode, error };
      await showInput(ctx as unknown as Context, model, status);
    },
    async userCodeConfirmSource(ctx, form, client, deviceInfo, userCode) {
      const { ip, ua } = deviceInfo as { ip?: string; ua?: string };
      await pages.render(
        ctx as unknown as Context,
        'device-confirm',
        {
          action: PATH,
          xsrf: xsrfOf(form),
          userCode,
          clientName: clientName(client.metadata()),
          origin: { ip: ip || null, agent: ua || null },
        },
        await contextOf(client),
      );
    },
    successSource: (ctx) => showEnd(ctx, true),
    async renderPrefilled(ctx, form) {
      const [xsrf, userCode] = [inputOf(form, 'xsrf'), inputOf(form, 'user_code')];
      if (ctx.path !== PATH || xsrf === undefined || userCode === undefined) return false;
      await showInput(ctx, { action: PATH, xsrf, userCode, error: null }, 200);
      return true;
    },
  };
}
