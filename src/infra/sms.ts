import { createHash } from 'node:crypto';
import { Agent, fetch as undiciFetch } from 'undici';
import { z } from 'zod';
import { keepInFolder } from './mail.ts';
import type { Outbound } from './outbound.ts';
import { createPost, DeliveryError, type Post, type PostOptions } from './post.ts';
import { type HttpSmsProvider, httpSms } from './sms-http.ts';
import { fitSms } from './sms-text.ts';
import { type VnpaySmsProvider, vnpaySms } from './sms-vnpay.ts';

/** Who sends SMS for us. */
export type SmsProvider = (HttpSmsProvider | VnpaySmsProvider) & {
  /** Whether somebody else than the operator chose it: it is then reached by https if it is public. */
  isGuarded: boolean;
};

/** One SMS as a provider gets it. */
export interface Sms {
  /** The same for each try, so that a provider can tell a second one. 32 hex digits. */
  id: string;
  /** E.164. */
  to: string;
  text: string;
}

/** How one provider is asked, and what its answer means. */
export interface SmsExchange {
  url: string;
  method: 'GET' | 'POST';
  headers: Record<string, string>;
  body?: string;
  /** @throws DeliveryError unless the provider took the message */
  judge(status: number, body: string): void;
}

export interface SmsSender<Request> extends Post<Request> {
  /** Sends a text at once, by the provider of a tenant. @throws DeliveryError */
  send(sms: Sms, tenantId?: string): Promise<void>;
  close(): Promise<void>;
}

export interface SmsOptions<Request>
  extends Pick<PostOptions<Request>, 'queues' | 'sealer' | 'clock' | 'log' | 'onResult'> {
  /** The provider of a tenant, or of the platform; undefined where there is none. */
  findProvider(tenantId: string | undefined): Promise<SmsProvider | undefined>;
  outbound: Pick<Outbound, 'fetch'>;
  /** Where messages are written while no provider is configured; development only. */
  folder: string | null;
  tenantOf(request: Request): string | undefined;
  /** How often one is tried; tests are less patient. */
  retries?: PostOptions<Request>['retries'];
  render(request: Request): Promise<string>;
}

/** Tries over little more than a minute: a code is of no use later. */
const RETRIES = { attempts: 5, backoff: 5_000 };

/** Milliseconds that a provider has, and bytes that its answer may have. */
const TIMEOUT = 10_000;
const MAX_ANSWER = 64 * 1024;

const address = z.string().regex(/^\+[1-9]\d{6,14}$/, 'must be E.164, such as +84901234567');

type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** Requests to a provider that the operator chose, wherever it lies; bounded all the same. */
function createOperatorFetch(): { fetch: Fetch; close(): Promise<void> } {
  const agent = new Agent({
    connections: 8,
    maxResponseSize: MAX_ANSWER,
    headersTimeout: TIMEOUT,
    bodyTimeout: TIMEOUT,
    connect: { timeout: TIMEOUT },
  });
  return {
    fetch: async (url, init) =>
      (await undiciFetch(url, {
        ...(init as object),
        dispatcher: agent,
      })) as unknown as Response,
    close: () => agent.close(),
  };
}

/** What went wrong on the way, without the address: the URL may hold the number. */
function toDeliveryError(error: unknown): DeliveryError {
  if (error instanceof DeliveryError) return error;
  const { name, code, cause } = error as { name: string; code?: string; cause?: typeof error };
  const inner = cause as { name?: string; code?: string } | undefined;
  const reason = inner?.code ?? inner?.name ?? code ?? name;
  return new DeliveryError(`the SMS provider was not reached: ${reason}`, {
    isFinal: false,
    facts: { code: reason },
  });
}

async function ask(fetch: Fetch, exchange: SmsExchange): Promise<void> {
  const { url, method, headers, body, judge } = exchange;
  const response = await fetch(url, {
    method,
    headers: { accept: 'application/json, text/plain;q=0.5', ...headers },
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT),
    ...(body === undefined ? {} : { body }),
  });
  judge(response.status, (await response.text()).slice(0, MAX_ANSWER));
}

/** Which messages are one: what the provider is told instead of our own id. */
export const smsId = (id: string): string =>
  createHash('sha256').update(id).digest('hex').slice(0, 32);

/** Sends SMS from a queue, each by the provider of its tenant. */
export function createSmsSender<Request>(options: SmsOptions<Request>): SmsSender<Request> {
  const { folder, clock, log } = options;
  const operator = createOperatorFetch();

  async function send({ id, to, text }: Sms, tenantId?: string): Promise<void> {
    address.parse(to);
    const provider = await options.findProvider(tenantId);
    const sms = { id, to, text: fitSms(text, { isPlain: provider?.isPlain ?? false }) };
    if (!provider) {
      if (folder === null) {
        throw new DeliveryError('no SMS provider is configured', { isFinal: false });
      }
      const content = { at: new Date().toISOString(), to, text: sms.text };
      const file = await keepInFolder(folder, { json: JSON.stringify(content) });
      return log.info({ file }, 'no SMS provider is configured: SMS written to a file');
    }
    const exchange =
      provider.kind === 'vnpay' ? vnpaySms(provider, sms, clock.now()) : httpSms(provider, sms);
    try {
      await ask(provider.isGuarded ? options.outbound.fetch : operator.fetch, exchange);
    } catch (error) {
      throw toDeliveryError(error);
    }
  }

  const post = createPost<Request>({
    ...options,
    name: 'sms',
    retries: options.retries ?? RETRIES,
    address,
    isReady: async (tenantId) =>
      folder !== null || (await options.findProvider(tenantId)) !== undefined,
    deliver: async ({ id, to, request }) =>
      send({ id: smsId(id), to, text: await options.render(request) }, options.tenantOf(request)),
  });
  return { ...post, send, close: operator.close };
}
