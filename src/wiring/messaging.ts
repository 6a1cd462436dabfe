import type { Config } from '../config.ts';
import { createMessenger, type MessageRequest } from '../features/messaging/index.ts';
import type { TenantService } from '../features/tenant/index.ts';
import { createMailer, type MailServer } from '../infra/mail.ts';
import { createSmsSender } from '../infra/sms.ts';
import type { Infrastructure } from '../infrastructure.ts';
import {
  createMessageRenderer,
  type MessageRenderer,
  type MessageValues,
  mailTemplates,
  smsTemplates,
  type TemplateRequest,
} from '../pages/index.ts';

const folder = (name: string): URL => new URL(`../../${name}/`, import.meta.url);

/** Puts a message into somebody's name and language. */
async function dress<T extends string>(
  request: MessageRequest,
  templates: readonly T[],
  { renderer, tenants }: { renderer: MessageRenderer; tenants: Pick<TenantService, 'find'> },
): Promise<TemplateRequest<T>> {
  const template = templates.find((name) => name === request.template);
  if (template === undefined) throw new Error(`there is no template ${request.template}`);
  const tenant = await tenants.find(request.tenantId);
  return {
    template,
    locale: renderer.locale(request.locale, tenant?.locale ?? null),
    brand: { name: tenant?.name ?? 'Gatehouse', colour: tenant?.colour ?? null },
    zoneinfo: request.zoneinfo,
    values: request.values as MessageValues,
  };
}

/** Messages to people, from queues. Outside development nothing is sent without a server. */
export function createMessaging(
  config: Config,
  infra: Infrastructure,
  { tenants }: { tenants: Pick<TenantService, 'find'> },
) {
  const { metrics } = infra;
  const renderer = createMessageRenderer({
    viewsDir: folder('views'),
    localesDir: folder('locales'),
  });
  const inFolder = (name: string) => (config.NODE_ENV === 'development' ? `.data/${name}` : null);
  const parts = { renderer, tenants };
  const tenantOf = ({ tenantId }: MessageRequest) => tenantId;
  const ownServer: MailServer | undefined = config.SMTP_URL && {
    id: 'SMTP_URL',
    from: config.MAIL_FROM,
    at: config.SMTP_URL,
    isGuarded: false,
  };
  const mail = createMailer<MessageRequest>({
    ...infra,
    from: config.MAIL_FROM,
    findServer: async () => ownServer,
    folder: inFolder('mail'),
    tenantOf,
    render: async (request) => renderer.mail(await dress(request, mailTemplates, parts)),
    onResult: (result) => metrics.mailTotal.inc({ result }),
  });
  const sms = createSmsSender<MessageRequest>({
    ...infra,
    findProvider: async () => undefined,
    folder: inFolder('sms'),
    tenantOf,
    render: async (request) => renderer.sms(await dress(request, smsTemplates, parts)),
    onResult: (result) => metrics.smsTotal.inc({ result }),
  });
  return {
    messenger: createMessenger({ mail, sms }),
    posts: {
      start() {
        mail.start();
        sms.start();
      },
      async close() {
        mail.close();
        await sms.close();
      },
    },
  };
}

export type Messaging = ReturnType<typeof createMessaging>;
