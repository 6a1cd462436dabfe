import type { Config } from '../config.ts';
import { createMessenger, type MessageRequest } from '../features/messaging/index.ts';
import type { TenantService } from '../features/tenant/index.ts';
import { createMailer } from '../infra/mail.ts';
import type { Infrastructure } from '../infrastructure.ts';
import {
  createMessageRenderer,
  type MessageRenderer,
  type MessageValues,
  mailTemplates,
  type TemplateRequest,
} from '../pages/index.ts';

const folder = (name: string): URL => new URL(`../../${name}/`, import.meta.url);

/** Puts a message into somebody's name and language. */
async function dress<T>(
  request: MessageRequest,
  template: T,
  { renderer, tenants }: { renderer: MessageRenderer; tenants: Pick<TenantService, 'find'> },
): Promise<TemplateRequest<T>> {
  const tenant = await tenants.find(request.tenantId);
  return {
    template,
    locale: renderer.locale(request.locale, tenant?.locale ?? null),
    brand: { name: tenant?.name ?? 'Gatehouse', colour: tenant?.colour ?? null },
    zoneinfo: request.zoneinfo,
    values: request.values as MessageValues,
  };
}

/** The template of this name, if it is one of the list. */
function pick<T extends string>(templates: readonly T[], name: string): T {
  const found = templates.find((template) => template === name);
  if (found === undefined) throw new Error(`there is no template ${name}`);
  return found;
}

/** Messages to people, from queues. Outside development nothing is sent without a server. */
export function createMessaging(
  config: Config,
  infra: Infrastructure,
  { tenants }: { tenants: Pick<TenantService, 'find'> },
) {
  const renderer = createMessageRenderer({
    viewsDir: folder('views'),
    localesDir: folder('locales'),
  });
  const mail = createMailer<MessageRequest>({
    ...infra,
    url: config.SMTP_URL,
    from: config.MAIL_FROM,
    folder: config.NODE_ENV === 'development' ? '.data/mail' : null,
    render: async (request) =>
      renderer.mail(
        await dress(request, pick(mailTemplates, request.template), { renderer, tenants }),
      ),
    onResult: (result) => infra.metrics.mailTotal.inc({ result }),
  });
  const sms = {
    isReady: async () => false,
    enqueue: () => Promise.reject(new Error('no SMS provider is configured')),
  };
  return {
    messenger: createMessenger({ mail, sms }),
    posts: { start: () => mail.start(), close: () => mail.close() },
  };
}

export type Messaging = ReturnType<typeof createMessaging>;
