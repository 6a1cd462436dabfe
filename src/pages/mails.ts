import { fileURLToPath } from 'node:url';
import { Eta } from 'eta';
import { escapeHtml, plain, webUrl } from './html.ts';
import { negotiateLocale } from './locale.ts';
import { folderUrl, loadMessages } from './messages.ts';
import type { MessageValues } from './types.ts';

/** Mails that there are templates for: `views/mail/<name>/text.eta` and `html.eta`. */
export type MailTemplate = 'ciba-approval';

export interface RenderedMail {
  subject: string;
  text: string;
  html: string;
}

export interface MailRequest {
  template: MailTemplate;
  /** The person's language; English where there is none that we speak. */
  locale: string | null;
  values: MessageValues;
}

/** A value on one line: a name with a line break in it would speak for us. */
const oneLine = (values: MessageValues): MessageValues =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'string' ? plain(value).replace(/\s+/g, ' ').trim() : value,
    ]),
  );

/** Loads words and templates once and returns the renderer of every mail. */
export function createMails(options: {
  viewsDir: URL;
  localesDir: URL;
}): (request: MailRequest) => RenderedMail {
  const messages = loadMessages(folderUrl(options.localesDir));
  const eta = new Eta({
    views: fileURLToPath(folderUrl(options.viewsDir)),
    cache: true,
    autoEscape: true,
    autoTrim: false,
    escapeFunction: escapeHtml,
  });
  return ({ template, locale: wish, values }) => {
    const locale = negotiateLocale({ uiLocales: wish ?? undefined, tenantDefault: 'en' });
    const v = oneLine(values);
    const context = {
      locale,
      v,
      t: (id: string, given?: MessageValues) => messages.text(locale, id, given),
      rich: (id: string, given: MessageValues) => messages.rich(locale, id, given),
      webUrl,
    };
    const text = eta.render(`/mail/${template}/text`, context);
    return {
      subject: messages.text(locale, `mail.${template}.subject`, v),
      text: `${text.replace(/\n{3,}/g, '\n\n').trim()}\n`,
      html: eta.render(`/mail/${template}/html`, context),
    };
  };
}
