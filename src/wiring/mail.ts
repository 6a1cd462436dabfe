import type { Config } from '../config.ts';
import { createMailer, type Mailer } from '../infra/mail.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { createMails, type MailRequest } from '../pages/index.ts';

const folder = (name: string): URL => new URL(`../../${name}/`, import.meta.url);

/** Mails, from a queue. Outside development nothing is sent without a server. */
export function createMail(config: Config, infra: Infrastructure): Mailer<MailRequest> {
  return createMailer({
    ...infra,
    url: config.SMTP_URL,
    from: config.MAIL_FROM,
    folder: config.NODE_ENV === 'development' ? '.data/mail' : null,
    render: createMails({ viewsDir: folder('views'), localesDir: folder('locales') }),
    onResult: (result) => infra.metrics.mailTotal.inc({ result }),
  });
}
