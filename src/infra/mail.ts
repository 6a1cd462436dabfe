import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createTransport, type SendMailOptions } from 'nodemailer';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Clock } from '../kernel/clock.ts';
import type { Secret } from '../kernel/crypto.ts';
import { PermanentJobError, type Queues } from './queues.ts';
import type { Sealer } from './sealing.ts';

/** One mail to one person. */
export interface Mail<Request> {
  /**
   * Null goes nowhere, after the same work: for answers that must not tell by
   * their time whether somebody exists.
   */
  to: string | null;
  /** What to render when it is sent: template, language and values. */
  request: Request;
  /** Milliseconds since the epoch; a mail that is still waiting then is of no use. */
  expiresAt: number;
}

/** A mail as it is read. */
export interface Rendered {
  subject: string;
  text: string;
  html: string;
}

export type MailResult = 'sent' | 'retried' | 'failed' | 'expired' | 'refused';

/** Sends mails from a queue: the request that asks for one never waits for a mail server. */
export interface Mailer<Request> {
  /** Whether mails can be sent; asked before anything begins that needs one, and counted if not. */
  isReady(tenantId?: string): Promise<boolean>;
  /** Queues a mail, once per `id`. @throws when there is no server or Redis does not answer */
  enqueue(id: string, mail: Mail<Request>): Promise<void>;
  /** Sends what is queued, in this process. */
  start(): void;
  close(): void;
}

export interface MailerOptions<Request> {
  url: Secret | undefined;
  /** Where mails are written instead while no server is configured; development only. */
  folder: string | null;
  from: string;
  queues: Pick<Queues, 'create'>;
  sealer: Sealer;
  clock: Clock;
  log: Logger;
  render(request: Request): Promise<Rendered>;
  onResult(result: MailResult): void;
}

/** Tries over about half an hour: a mail server that restarts loses nothing. */
const RETRIES = { attempts: 8, backoff: 15_000 };

/** Milliseconds that a mail server has for each step. */
const TIMEOUT = 15_000;

/** Mails that stay in the folder of a development machine. */
const MOST_FILES = 100;

/** Associated data under which queued mails are sealed: they hold links and names. */
const SEALED_AS = 'mail';

const address = z.email().max(254);

/** What a mail server, or the way to it, reported; never the address. */
interface SendError {
  code?: string;
  responseCode?: number;
}

/** Whether the server refuses this very mail for good (RFC 5321 4.2.1), and not us or for now. */
const isRefused = ({ code, responseCode }: SendError): boolean =>
  (code === 'EENVELOPE' || code === 'EMESSAGE') && (responseCode ?? 0) >= 500;

/** Takes mails to their receivers, or to a file. */
interface Carrier {
  carry(mail: SendMailOptions): Promise<unknown>;
  close(): void;
}

function toServer(url: Secret): Carrier {
  const options = {
    url: url.reveal(),
    pool: true,
    maxConnections: 2,
    connectionTimeout: TIMEOUT,
    greetingTimeout: TIMEOUT,
    socketTimeout: TIMEOUT,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
  const transport = createTransport(options);
  return { carry: (mail) => transport.sendMail(mail), close: () => transport.close() };
}

/** Keeps mails as files, the newest only, for development without a mail server. */
function toFolder(folder: string, log: Logger): Carrier {
  const stream = createTransport({ streamTransport: true, buffer: true });
  return {
    async carry(mail) {
      const { message } = await stream.sendMail(mail);
      await mkdir(folder, { recursive: true });
      const file = `${folder}/${new Date().toISOString().replaceAll(':', '-')}.eml`;
      await writeFile(file, message as Buffer, { mode: 0o600 });
      const files = (await readdir(folder)).filter((name) => name.endsWith('.eml')).sort();
      await Promise.all(files.slice(0, -MOST_FILES).map((name) => rm(`${folder}/${name}`)));
      log.info({ file }, 'no SMTP_URL is set: mail written to a file');
    },
    close() {},
  };
}

/** @param options `url` or, in development, `folder` says where mails go; with neither, none do */
export function createMailer<Request>(options: MailerOptions<Request>): Mailer<Request> {
  const { url, folder, from, sealer, clock, log } = options;
  const queue = options.queues.create<{ sealed: string }>('mail', RETRIES);
  const carrier = url ? toServer(url) : folder === null ? undefined : toFolder(folder, log);

  async function send(to: string, rendered: Rendered): Promise<void> {
    if (!carrier) throw new PermanentJobError('no mail server is configured');
    const { subject, text, html } = rendered;
    await carrier.carry({ from, to: { name: '', address: to }, subject, text, html });
  }

  async function work(
    { sealed }: { sealed: string },
    { attempt, isLast }: { attempt: number; isLast: boolean },
  ): Promise<void> {
    const plain = sealer.open(Buffer.from(sealed, 'base64'), SEALED_AS).toString();
    const { to, request, expiresAt } = JSON.parse(plain) as Mail<Request>;
    if (to === null) return;
    if (expiresAt <= clock.now()) return options.onResult('expired');
    const rendered = await options.render(request);
    try {
      await send(to, rendered);
      options.onResult('sent');
    } catch (error) {
      const { code, responseCode } = error as SendError;
      const isOver = isLast || error instanceof PermanentJobError || isRefused(error as SendError);
      log.warn({ code, responseCode, attempt, isOver }, 'mail not sent');
      options.onResult(isOver ? 'failed' : 'retried');
      // What a server says may repeat the address, and would be kept with the job.
      const reason = `mail not sent: ${responseCode ?? code ?? 'unknown'}`;
      throw isOver ? new PermanentJobError(reason) : new Error(reason);
    }
  }

  return {
    async isReady() {
      if (!carrier) options.onResult('refused');
      return carrier !== undefined;
    },
    async enqueue(id, mail) {
      if (!carrier) throw new Error('no mail server is configured: set SMTP_URL');
      if (mail.to !== null) address.parse(mail.to);
      const sealed = sealer.seal(JSON.stringify(mail), SEALED_AS).toString('base64');
      await queue.add(id, { sealed });
    },
    start: () => queue.consume(work, { concurrency: 4 }),
    close: () => carrier?.close(),
  };
}
