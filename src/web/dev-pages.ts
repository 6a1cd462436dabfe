import type { Context, Middleware } from 'koa';
import { requestFacts } from '../kernel/http/index.ts';
import {
  type DevMessageModel,
  isLocale,
  type Locale,
  locales,
  type MessageRenderer,
  mailTemplates,
  sampleValues,
  smsTemplates,
} from '../pages/index.ts';
import { createDevMessages, type DevMessage } from './dev-messages.ts';
import type { PageRenderer } from './page-renderer.ts';

const BASE = '/dev/';
const TEMPLATES = '/dev/templates';
const INBOX = '/dev/inbox';

/** A mail shows itself and loads pictures; it runs nothing, sends nothing and opens nothing. */
const FRAME_CSP =
  "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'self'; sandbox";

/** The HTML of a mail by itself, for the frame that shows it. */
function showFrame(ctx: Context, html: string): void {
  ctx.set('Content-Security-Policy', FRAME_CSP);
  ctx.set('X-Frame-Options', 'SAMEORIGIN');
  ctx.set('Cache-Control', 'no-store');
  ctx.type = 'html';
  ctx.body = html;
}

/** Codes and links of a message, to be taken from it without searching. */
const taken = (text: string): Pick<DevMessageModel, 'codes' | 'links'> => ({
  codes: [...new Set(text.match(/(?<![\w-])\d{6}(?![\w-])/g) ?? [])],
  links: [...new Set(text.match(/https?:\/\/[^\s<>"]+/g) ?? [])],
});

const urlOf = ({ channel, id }: DevMessage): string => `${INBOX}/${channel}/${id}`;

const shownAt = (at: string, locale: Locale): string =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }).format(
    new Date(at),
  );

/** A template with sample values; undefined where there is none of that name. */
function sampleOf(renderer: MessageRenderer, name: string, locale: Locale) {
  const brand = { name: 'Gatehouse', colour: null, logoUrl: null };
  const mail = mailTemplates.find((template) => template === name);
  if (mail) {
    const values = sampleValues[mail];
    return renderer.mail({ template: mail, locale, brand, zoneinfo: null, values });
  }
  const sms = smsTemplates.find((template) => template === name);
  if (!sms) return undefined;
  const values = sampleValues[sms];
  const text = renderer.sms({ template: sms, locale, brand, zoneinfo: null, values });
  return { subject: null, text, html: null };
}

/**
 * Development only: every template of mails and SMS, and what was written to
 * files because nothing sends it.
 * @param deps `folderOf` is where the messages of a channel are; `.data/<channel>` unless given
 */
export function devPages(deps: {
  pages: PageRenderer;
  messageRenderer: MessageRenderer;
  folderOf?: (channel: 'mail' | 'sms') => string;
}): Middleware {
  const messages = createDevMessages(deps.folderOf ?? ((channel) => `.data/${channel}`));

  const showTemplates = (ctx: Context): Promise<void> =>
    deps.pages.render(ctx, 'dev-templates', {
      templates: [
        ...mailTemplates.map((name) => ({ name, channel: 'mail' as const })),
        ...smsTemplates.map((name) => ({ name, channel: 'sms' as const })),
      ].map((template) => ({
        ...template,
        links: locales.map((locale) => ({
          locale,
          href: `${TEMPLATES}/${template.name}/${locale}`,
        })),
      })),
    });

  async function showTemplate(ctx: Context, name: string, locale: string, isFrame: boolean) {
    const sample = isLocale(locale) ? sampleOf(deps.messageRenderer, name, locale) : undefined;
    if (!sample || !isLocale(locale)) return false;
    const { subject, text, html } = sample;
    if (isFrame && html !== null) showFrame(ctx, html);
    else if (isFrame) return false;
    else {
      await deps.pages.render(ctx, 'dev-message', {
        ...{ title: subject ?? name, to: null, locale, text, codes: [], links: [] },
        frameUrl: html === null ? null : `${TEMPLATES}/${name}/${locale}.html`,
        backUrl: TEMPLATES,
      });
    }
    return true;
  }

  async function showInbox(ctx: Context): Promise<void> {
    const found = await messages.list();
    await deps.pages.render(ctx, 'dev-inbox', (_describe, locale) => ({
      messages: found.map((message) => ({
        href: urlOf(message),
        channel: message.channel,
        to: message.to,
        title: message.subject ?? message.text,
        at: message.at,
        shownAt: shownAt(message.at, locale),
      })),
    }));
  }

  async function showMessage(ctx: Context, channel: string, id: string, isFrame: boolean) {
    const found =
      channel === 'mail' || channel === 'sms' ? await messages.read(channel, id) : undefined;
    if (!found) return false;
    const { subject, text, html, to } = found;
    if (isFrame && html !== null) showFrame(ctx, html);
    else if (isFrame) return false;
    else {
      await deps.pages.render(ctx, 'dev-message', (_describe, locale) => ({
        ...{ title: subject ?? 'SMS', to, locale, text, ...taken(text) },
        frameUrl: html === null ? null : `${urlOf(found)}.html`,
        backUrl: INBOX,
      }));
    }
    return true;
  }

  return async (ctx, next) => {
    if (!ctx.path.startsWith(BASE) || (ctx.method !== 'GET' && ctx.method !== 'HEAD')) {
      return next();
    }
    requestFacts(ctx.req).route = '/dev/*';
    if (ctx.path === TEMPLATES) return showTemplates(ctx);
    if (ctx.path === INBOX) return showInbox(ctx);
    const [, section, first = '', second = '', html] =
      /^\/dev\/(templates|inbox)\/([\w-]+)\/([\w.-]+?)(\.html)?$/.exec(ctx.path) ?? [];
    const show = section === 'templates' ? showTemplate : showMessage;
    if (section && (await show(ctx, first, second, html !== undefined))) return;
    return next();
  };
}
