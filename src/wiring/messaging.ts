import type { Config } from '../config.ts';
import type { ConfigurationService } from '../features/configuration/index.ts';
import { type Channel, createMessenger, type MessageRequest } from '../features/messaging/index.ts';
import type { TenantService } from '../features/tenant/index.ts';
import { createMailer, type MailServer } from '../infra/mail.ts';
import type { RateLimits } from '../infra/rate-limits.ts';
import { createSmsSender, type SmsProvider, smsId } from '../infra/sms.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { Secret } from '../kernel/crypto.ts';
import { newId } from '../kernel/ids.ts';
import {
  createMessageRenderer,
  type MessageRenderer,
  type MessageValues,
  mailTemplates,
  sampleValues,
  smsTemplates,
  type TemplateRequest,
} from '../pages/index.ts';

const folder = (name: string): URL => new URL(`../../${name}/`, import.meta.url);

interface Wardrobe {
  renderer: MessageRenderer;
  tenants: Pick<TenantService, 'find'>;
  configurations: Pick<ConfigurationService, 'written'>;
}

/** Puts a message into somebody's name, language and words. */
async function dress<T extends string>(
  request: MessageRequest,
  { group, templates }: { group: 'MAIL' | 'SMS'; templates: readonly T[] },
  { renderer, tenants, configurations }: Wardrobe,
): Promise<TemplateRequest<T>> {
  const template = templates.find((name) => name === request.template);
  if (template === undefined) throw new Error(`there is no template ${request.template}`);
  const tenant = await tenants.find(request.tenantId);
  const locale = renderer.locale(request.locale, tenant?.locale ?? null);
  return {
    template,
    locale,
    brand: {
      name: tenant?.name ?? 'Gatehouse',
      colour: tenant?.colour ?? null,
      logoUrl: tenant?.logoUrl ?? null,
    },
    zoneinfo: request.zoneinfo,
    values: request.values as MessageValues,
    overrides: await configurations.written(request.tenantId, group, template, locale),
  };
}

/** The server of a tenant or the platform; that of the environment while there is none. */
async function findServer(
  config: Config,
  configurations: Pick<ConfigurationService, 'mailServer'>,
  tenantId: string | undefined,
): Promise<MailServer | undefined> {
  const found = await configurations.mailServer(tenantId);
  if (!found) {
    return (
      config.SMTP_URL && {
        ...{ id: 'SMTP_URL', from: config.MAIL_FROM, at: config.SMTP_URL, isGuarded: false },
      }
    );
  }
  const { from, ...at } = found.settings;
  const { password } = found.credentials;
  return { id: found.id, from, at: { ...at, password }, isGuarded: found.isOfTenant };
}

async function findProvider(
  configurations: Pick<ConfigurationService, 'smsProvider'>,
  tenantId: string | undefined,
): Promise<SmsProvider | undefined> {
  const found = await configurations.smsProvider(tenantId);
  if (!found) return undefined;
  const { settings, credentials, isOfTenant: isGuarded } = found;
  return settings.kind === 'vnpay'
    ? { ...settings, secretKey: credentials.secretKey ?? new Secret(''), isGuarded }
    : { ...settings, credentials, isGuarded };
}

const tenantOf = ({ tenantId }: MessageRequest) => tenantId;

/** A message such as people get, to see whether a server or provider takes it. */
const sample = (channel: Channel, tenantId: string, locale: string | null): MessageRequest => {
  const template = channel === 'mail' ? 'verify-email' : 'verify-phone';
  const values = sampleValues[template] as unknown as MessageRequest['values'];
  return { template, tenantId, locale, zoneinfo: null, values };
};

/** Messages to people, from queues. Outside development nothing is sent without a server. */
export function createMessaging(
  config: Config,
  infra: Infrastructure,
  {
    tenants,
    configurations,
    rateLimits,
  }: {
    tenants: Pick<TenantService, 'find'>;
    configurations: ConfigurationService;
    rateLimits: Pick<RateLimits, 'hit'>;
  },
) {
  const { metrics } = infra;
  const renderer = createMessageRenderer({
    viewsDir: folder('views'),
    localesDir: folder('locales'),
  });
  const inFolder = (name: string) => (config.NODE_ENV === 'development' ? `.data/${name}` : null);
  const wardrobe = { renderer, tenants, configurations };
  const writeMail = async (request: MessageRequest) =>
    renderer.mail(await dress(request, { group: 'MAIL', templates: mailTemplates }, wardrobe));
  const writeSms = async (request: MessageRequest) =>
    renderer.sms(await dress(request, { group: 'SMS', templates: smsTemplates }, wardrobe));
  const mail = createMailer<MessageRequest>({
    ...infra,
    from: config.MAIL_FROM,
    findServer: (tenantId) => findServer(config, configurations, tenantId),
    folder: inFolder('mail'),
    tenantOf,
    render: writeMail,
    onResult: (result) => metrics.mailTotal.inc({ result }),
  });
  const sms = createSmsSender<MessageRequest>({
    ...infra,
    findProvider: (tenantId) => findProvider(configurations, tenantId),
    folder: inFolder('sms'),
    tenantOf,
    render: writeSms,
    onResult: (result) => metrics.smsTotal.inc({ result }),
  });
  return {
    messenger: createMessenger({
      posts: { mail, sms },
      rateLimits,
      onLimited: (channel, template) =>
        infra.log.warn({ channel, template }, 'not sent: its receiver has had too many messages'),
    }),
    messageRenderer: renderer,
    posts: {
      /**
       * Sends a sample at once, past the queue.
       * @param tenantId whose server sends it; that of the platform where it is the platform's
       * @throws DeliveryError, z.ZodError
       */
      async test(channel: Channel, to: string, tenantId: string, locale: string | null) {
        const request = sample(channel, tenantId, locale);
        if (channel === 'mail') return mail.send(to, await writeMail(request), tenantId);
        await sms.send({ id: smsId(newId()), to, text: await writeSms(request) }, tenantId);
      },
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
