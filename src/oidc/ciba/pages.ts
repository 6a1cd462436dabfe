import Router from '@koa/router';
import type { Context } from 'koa';
import {
  type BackchannelAuthenticationRequest,
  errors,
  type Provider,
  type Session,
} from 'oidc-provider';
import type { Config } from '../../config.ts';
import type { ClientService, StoredClient } from '../../features/client/index.ts';
import type { LockCheck } from '../../features/sign-in/index.ts';
import type { RateLimits } from '../../infra/rate-limits.ts';
import type { Clock } from '../../kernel/clock.ts';
import { AppError } from '../../kernel/errors.ts';
import { requestFacts } from '../../kernel/http/index.ts';
import type { PageModels } from '../../pages/index.ts';
import type { DeviceCookies } from '../../web/device-cookies.ts';
import { type CsrfTokens, readForm } from '../../web/forms.ts';
import type { PageRenderer } from '../../web/page-renderer.ts';
import type { TenantAccount } from '../claims.ts';
import { addToGrant, type MissingConsent } from '../grants.ts';
import { pagesSignInPath } from '../pages-sign-in.ts';
import type { ProviderDeps } from '../provider.ts';
import { createResourceFinder } from '../resources.ts';
import { clientName } from '../sign-in-page.ts';
import type { TenantGrant } from '../token-claims.ts';
import type { Approval, Approvals } from './approvals.ts';
import { toApproveModel, wantedBy } from './approve-model.ts';
import { cibaBudgets } from './budgets.ts';

export interface CibaPageDeps {
  config: Config;
  clock: Clock;
  engine(): Provider;
  approvals: Approvals;
  clients: Pick<ClientService, 'find'>;
  resourceServers: ProviderDeps['resourceServers'];
  findAccount(accountId: string): Promise<TenantAccount | undefined>;
  /** Seen from this browser: a stranger's failed tries do not shut the owner's out. */
  isLockedFor: LockCheck['isLockedFor'];
  deviceCookies: Pick<DeviceCookies, 'read'>;
  rateLimits: Pick<RateLimits, 'release'>;
  pages: PageRenderer;
  csrf: CsrfTokens;
}

/** Where approvals live; `/approve/return` is where a sign-in for one comes back to. */
const BASE = '/approve';
export const RETURN_PATH = `${BASE}/return`;

type Request = BackchannelAuthenticationRequest;
type EndState = PageModels['approve-end']['state'];

/** A link that leads to a request: still open, or decided. */
interface Found {
  id: string;
  token: string;
  approval: Approval;
  request: Request;
  client: StoredClient;
  state: 'open' | 'allowed' | 'denied';
}

/** A request in front of the person it is for. */
interface Step extends Found {
  session: Session;
  account: TenantAccount;
  csrfBinding: string;
  /** All that allowing it grants. */
  wanted: MissingConsent;
}

const STATUS: Record<EndState, number> = {
  allowed: 200,
  denied: 200,
  gone: 404,
  'other-account': 403,
  locked: 423,
};

/** 303: after a form never a redirect that repeats it (RFC 9700 4.12). */
function seeOther(ctx: Context, location: string): void {
  ctx.status = 303;
  ctx.redirect(location);
}

/**
 * The pages on which people answer CIBA requests. Whoever has the link sees
 * nothing: the person it was sent to has to be signed in, and posts the answer.
 */
export function createCibaPages(deps: CibaPageDeps): Router {
  const { approvals, pages, clients } = deps;
  const findResource = createResourceFinder(deps);

  async function findRequest(token: string): Promise<Found | undefined> {
    const found = await approvals.find(token);
    if (!found) return undefined;
    const { BackchannelAuthenticationRequest: Model } = deps.engine();
    const request = await Model.find(found.approval.authReqId, { ignoreExpiration: true });
    const client = await clients.find(found.approval.clientId);
    if (!request || !client) return undefined;
    const state = request.grantId ? 'allowed' : request.error ? 'denied' : 'open';
    const isOver = found.approval.expiresAt <= deps.clock.now() || request.isExpired;
    if (state === 'open' && isOver) return undefined;
    return { ...found, token, request, client, state };
  }

  /** The tenant whose name the page has: the acting one; a stand-in's request has none. */
  const brandOf = ({ approval, client }: Found): string => approval.tenantId || client.tenantId;

  async function showEnd(ctx: Context, state: EndState, found?: Found): Promise<void> {
    const canSwitch = found !== undefined && state === 'other-account';
    const model = {
      state,
      clientName: found ? clientName(found.client.metadata) : null,
      signInUrl: canSwitch ? signInPath(found, 'login') : null,
    };
    const tenantId = found ? brandOf(found) : undefined;
    await pages.render(ctx, 'approve-end', model, { tenantId, status: STATUS[state] });
  }

  const signInPath = ({ approval, token }: Found, prompt?: string): string =>
    pagesSignInPath(`${deps.config.ISSUER}${RETURN_PATH}`, {
      state: token,
      tenant: approval.tenantId,
      prompt,
    });

  /** The request, if it is open and this browser's person is the one it is for; else answers. */
  async function loadStep(ctx: Context): Promise<Step | undefined> {
    const found = await findRequest(String(ctx.params.token));
    if (!found) return void (await showEnd(ctx, 'gone'));
    const session = await deps.engine().Session.get(ctx as never);
    const { accountId } = session;
    const account = accountId ? await deps.findAccount(accountId) : undefined;
    if (!account) return seeOther(ctx, signInPath(found)) as undefined;
    if (account.accountId !== found.approval.accountId) {
      return void (await showEnd(ctx, 'other-account', found));
    }
    if (!account.tenantIds.includes(found.approval.tenantId)) {
      return void (await showEnd(ctx, 'gone'));
    }
    if (found.state !== 'open') return void (await showEnd(ctx, found.state, found));
    if (await deps.isLockedFor(account.user, deps.deviceCookies.read(ctx))) {
      return void (await showEnd(ctx, 'locked', found));
    }
    const client = await deps.engine().Client.find(found.client.clientId);
    if (!client) return void (await showEnd(ctx, 'gone'));
    const wanted = await wantedBy(found.request, client, findResource);
    return { ...found, session, account, wanted, csrfBinding: `${found.id}:${session.uid}` };
  }

  const showStep = (ctx: Context, step: Step): Promise<void> =>
    pages.render(
      ctx,
      'approve',
      (describe) =>
        toApproveModel(
          {
            ...step,
            action: `${BASE}/${step.token}`,
            csrfToken: deps.csrf.tokenFor(step.csrfBinding),
            now: deps.clock.now(),
          },
          describe,
        ),
      { tenantId: brandOf(step) },
    );

  async function allow({
    approval,
    request,
    client,
    session,
    account,
    wanted,
  }: Step): Promise<void> {
    const provider = deps.engine();
    const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    (grant as TenantGrant).tid = approval.tenantId;
    addToGrant(grant, wanted);
    await grant.save();
    const { acr, amr, loginTs } = session as Session & { acr?: string; amr?: string[] };
    await provider.backchannelResult(request, grant, {
      ...(acr ? { acr } : {}),
      ...(amr ? { amr } : {}),
      ...(loginTs ? { authTime: loginTs } : {}),
    });
    const [pair, person] = cibaBudgets(client.clientId, account.accountId);
    await deps.rateLimits.release([pair, person].filter((budget) => budget !== undefined));
  }

  async function decide(step: Step, decision: 'allow' | 'deny'): Promise<void> {
    if (!(await approvals.claim(step.id))) return;
    try {
      // What another window has decided in the meantime stands.
      if ((await findRequest(step.token))?.state !== 'open') return;
      if (decision === 'allow') await allow(step);
      else await deps.engine().backchannelResult(step.request, new errors.AccessDenied());
    } finally {
      await approvals.release(step.id);
    }
  }

  async function show(ctx: Context): Promise<void> {
    const step = await loadStep(ctx);
    if (step) await showStep(ctx, step);
  }

  async function submit(ctx: Context): Promise<void> {
    const step = await loadStep(ctx);
    if (!step) return;
    const form = await readForm(ctx.req);
    if (!deps.csrf.matches(form.get('csrf'), step.csrfBinding)) {
      throw new AppError('IDENT_FORBIDDEN', { log: { reason: 'csrf' } });
    }
    const decision = form.get('decision');
    if (decision === 'allow' || decision === 'deny') await decide(step, decision);
    seeOther(ctx, `${BASE}/${step.token}`);
  }

  /** Back from a sign-in, with or without success: the link itself shows what is next. */
  async function comeBack(ctx: Context): Promise<void> {
    const { state, error } = ctx.query;
    if (typeof state !== 'string' || !/^[\w-]{43}$/.test(state) || error !== undefined) {
      return showEnd(ctx, 'gone');
    }
    seeOther(ctx, `${BASE}/${state}`);
  }

  return new Router({ strict: true, sensitive: true })
    .use((ctx, next) => {
      requestFacts(ctx.req).route = `${BASE}/:token`;
      return next();
    })
    .get(RETURN_PATH, comeBack)
    .get(`${BASE}/:token`, show)
    .post(`${BASE}/:token`, submit);
}
