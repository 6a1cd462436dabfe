import type { Context } from 'koa';
import type { TenantService } from '../features/tenant/index.ts';
import { currentRequest } from '../kernel/current-request.ts';
import { PAGE_CSP } from '../kernel/http/index.ts';
import {
  type Brand,
  type Frame,
  imageUrl,
  type Locale,
  negotiateLocale,
  type PageModels,
  type PageName,
  type Pages,
  recoveryCodesFile,
  type ScopeLine,
  scopeLine,
} from '../pages/index.ts';

/** The cookie that remembers a language chosen on a page; with its prefix over HTTPS (ASVS 3.3.1). */
const LOCALE_COOKIE = 'gh_locale';

/** Milliseconds that the choice is remembered. */
const LOCALE_COOKIE_AGE = 365 * 24 * 3_600_000;

export interface PageContext {
  /** Whose name, logo and colour the page carries; the platform's by default. */
  tenantId?: string | null | undefined;
  /** `ui_locales` of the request (OpenID Connect Core 3.1.2.1). */
  uiLocales?: string | undefined;
  status?: number;
  /** What the address shows is there once only: asked for in another language, it would be gone. */
  isOnce?: boolean;
  /** The page that a form belongs to, for links to it in other languages. */
  pagePath?: string | undefined;
}

/** Of pages with passkeys: their script asks this service for the options, and nobody else. */
const PASSKEY_CSP = `${PAGE_CSP}; script-src 'self'; connect-src 'self'`;

/** Policies of pages that need more than every page may; a script only where nothing else will do. */
const POLICIES: Partial<Record<PageName, string>> = {
  'dev-message': `${PAGE_CSP}; frame-src 'self'`,
  continue: `${PAGE_CSP}; script-src 'self'`,
  'sign-in': PASSKEY_CSP,
  'second-factor': PASSKEY_CSP,
  'set-up-passkey': PASSKEY_CSP,
  'account-passkey-new': PASSKEY_CSP,
};

/**
 * The policy of a page with the logos that are on it: their origins and no other.
 * @param model of pages that name an application, its logo is `client.logoUri`
 */
function policyOf(page: PageName, frame: Frame, model: PageModels[PageName]): string {
  const application = 'client' in model ? model.client.logoUri : null;
  const logos = [frame.brand.logoUrl, application].map(imageUrl);
  const origins = new Set(logos.flatMap((logo) => (logo === null ? [] : [new URL(logo).origin])));
  const policy = POLICIES[page] ?? PAGE_CSP;
  return policy.replace("img-src 'self'", ["img-src 'self'", ...origins].join(' '));
}

/** A scope in words of the page's language. */
export type DescribeScope = (scope: string) => ScopeLine;

export interface PageRenderer {
  /** The language of a page, for what is sent to the person beside it. */
  localeOf(ctx: Context, context?: PageContext): Promise<Locale>;
  /**
   * Renders a page as the response: status, language, branding and headers
   * included. A model that has scopes in words is made once the language is known.
   */
  render<P extends keyof PageModels>(
    ctx: Context,
    page: P,
    model: PageModels[P] | ((describe: DescribeScope, locale: Locale) => PageModels[P]),
    context?: PageContext,
  ): Promise<void>;
  /** Answers recovery codes as a file to keep; scripts are not needed for it. */
  sendRecoveryCodes(ctx: Context, codes: string[], context?: PageContext): Promise<void>;
}

/** Pages within an interaction that can be asked for, the longer path first; all else leads to its beginning. */
const PAGES = [
  'accounts',
  'code/(?:email|sms|enter)',
  'forgot',
  'recovery-codes',
  'reset',
  'second-factor/(?:passkey|app|recovery-code|sms|email)',
  'second-factor',
  'set-up/(?:app|passkey)',
  'set-up',
  'sign-up',
  'verify',
];

const STEP = new RegExp(`^/interaction/[\\w-]+(?:/(?:${PAGES.join('|')})(?=/|$)|(?=/))`);

/** The page of the sign-in step that a form was sent from, by the path that it was sent to. */
export const stepPath = (path: string): string | undefined => STEP.exec(path)?.[0];

const one = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;

/**
 * Links to this page in each language. A page that answers a POST cannot be linked
 * to, but the step of a sign-in that it belongs to can.
 */
function languageLinks(
  ctx: Context,
  { pagePath }: PageContext,
  locales: readonly Locale[],
  current: Locale,
) {
  const path = ctx.method === 'GET' ? ctx.path : (pagePath ?? stepPath(ctx.path));
  if (path === undefined) return [];
  return locales.map((locale) => {
    const query = new URLSearchParams(ctx.method === 'GET' ? ctx.querystring : '');
    query.set('lang', locale);
    return { locale, href: `${path}?${query}`, current: locale === current };
  });
}

/** @param options `pages` renders, `tenants` brands, `secureCookies` when served over HTTPS */
export function createPageRenderer(options: {
  pages: Pages;
  tenants: Pick<TenantService, 'find'>;
  secureCookies: boolean;
}): PageRenderer {
  const { pages, tenants } = options;
  const cookieName = options.secureCookies ? `__Host-${LOCALE_COOKIE}` : LOCALE_COOKIE;

  function chooseLocale(ctx: Context, uiLocales: string | undefined, fallback: string): Locale {
    const chosen = pages.locales.find((locale) => locale === one(ctx.query.lang));
    if (chosen && ctx.method === 'GET') {
      ctx.cookies.set(cookieName, chosen, {
        signed: false,
        httpOnly: true,
        sameSite: 'lax',
        secure: options.secureCookies,
        maxAge: LOCALE_COOKIE_AGE,
      });
      return chosen;
    }
    const cookie = ctx.cookies.get(cookieName, { signed: false });
    return negotiateLocale({
      // What the person chose on a page of ours goes before what an application supposes.
      uiLocales: cookie ?? uiLocales,
      cookie,
      acceptLanguage: ctx.get('accept-language'),
      tenantDefault: fallback,
    });
  }

  /** The page of an outage must come up too: then it carries our own name. */
  const findTenant = async ({ tenantId }: PageContext) =>
    tenantId ? tenants.find(tenantId).catch(() => undefined) : undefined;

  async function frameOf(ctx: Context, context: PageContext): Promise<Frame> {
    const tenant = await findTenant(context);
    const brand: Brand = {
      tenantId: tenant?.id ?? null,
      name: tenant?.name ?? 'Gatehouse',
      logoUrl: tenant?.logoUrl ?? null,
      hasColour: tenant?.colour != null,
    };
    const locale = chooseLocale(ctx, context.uiLocales, tenant?.locale ?? 'en');
    return {
      locale,
      brand,
      languageLinks: context.isOnce ? [] : languageLinks(ctx, context, pages.locales, locale),
      requestId: currentRequest()?.requestId ?? '',
    };
  }

  return {
    async localeOf(ctx, context = {}) {
      const tenant = await findTenant(context);
      return chooseLocale(ctx, context.uiLocales, tenant?.locale ?? 'en');
    },
    async render(ctx, page, model, context = {}) {
      const frame = await frameOf(ctx, context);
      ctx.status = context.status ?? 200;
      ctx.type = 'html';
      ctx.set('Cache-Control', 'no-store');
      ctx.set('Content-Language', frame.locale);
      const describe: DescribeScope = (scope) => scopeLine(pages, frame.locale, scope);
      const made = typeof model === 'function' ? model(describe, frame.locale) : model;
      ctx.set('Content-Security-Policy', policyOf(page, frame, made));
      ctx.body = pages.render(page, made, frame);
    },
    async sendRecoveryCodes(ctx, codes, context = {}) {
      const { locale, brand } = await frameOf(ctx, context);
      ctx.status = 200;
      ctx.type = 'text/plain; charset=utf-8';
      ctx.set('Cache-Control', 'no-store');
      ctx.set('Content-Language', locale);
      ctx.set('Content-Disposition', 'attachment; filename="recovery-codes.txt"');
      ctx.body = recoveryCodesFile(pages, locale, brand.name, codes);
    },
  };
}
