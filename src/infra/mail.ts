import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { createTransport, type SendMailOptions } from 'nodemailer';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Secret } from '../kernel/crypto.ts';
import { newId } from '../kernel/ids.ts';
import { type Outbound, OutboundRefusedError } from './outbound.ts';
import { createPost, DeliveryError, type Post, type PostOptions } from './post.ts';

/** A mail as it is read. */
export interface Rendered {
  subject: string;
  text: string;
  html: string;
  /** The same for each try (RFC 5322 3.6.4); the transport makes one where there is none. */
  messageId?: string;
}

/** Where mails go out. */
export interface MailServer {
  /** Names this server and the version of its settings: connections are kept under it. */
  id: string;
  from: string;
  at: Secret | SmtpSettings;
  /** Whether somebody else than the operator chose it: it is then reached if it is public. */
  isGuarded: boolean;
}

export interface SmtpSettings {
  host: string;
  port: number;
  /** TLS from the first byte, after STARTTLS (required), or not at all. */
  security: 'tls' | 'starttls' | 'none';
  user?: string | undefined;
  password?: Secret | undefined;
}

export interface Mailer<Request> extends Post<Request> {
  /** Sends a mail at once, by the server of a tenant. @throws DeliveryError */
  send(to: string, mail: Rendered, tenantId?: string): Promise<void>;
  close(): void;
}

export interface MailerOptions<Request>
  extends Pick<PostOptions<Request>, 'queues' | 'sealer' | 'clock' | 'log' | 'onResult'> {
  /** The server of a tenant, or of the platform; undefined where there is none. */
  findServer(tenantId: string | undefined): Promise<MailServer | undefined>;
  outbound: Pick<Outbound, 'connect'>;
  /** The sender while no server is configured. */
  from: string;
  /** Where mails are written while no server is configured; development only. */
  folder: string | null;
  tenantOf(request: Request): string | undefined;
  /** How often one is tried; tests are less patient. */
  retries?: PostOptions<Request>['retries'];
  render(request: Request): Promise<Rendered>;
}

/** Tries over about half an hour: a mail server that restarts loses nothing. */
const RETRIES = { attempts: 8, backoff: 15_000 };

/** Milliseconds that a mail server has for each step. */
const TIMEOUT = 15_000;

/** Servers that connections are kept to; each has two at most. */
const MOST_SERVERS = 50;

/** Messages that stay in the folder of a development machine. */
const MOST_FILES = 100;

const address = z.email().max(254);

/** What a mail server, or the way to it, reported; it may hold the address. */
interface SendError {
  code?: string;
  responseCode?: number;
}

/** Whether the server refuses this very mail for good (RFC 5321 4.2.1), and not us or for now. */
const isFinal = ({ code, responseCode }: SendError): boolean =>
  (code === 'EENVELOPE' || code === 'EMESSAGE') && (responseCode ?? 0) >= 500;

function toDeliveryError(error: SendError): DeliveryError {
  const { code, responseCode } = error;
  if (error instanceof OutboundRefusedError) {
    return new DeliveryError('the mail server is not at a public address', { isFinal: false });
  }
  return new DeliveryError(`mail not sent: ${responseCode ?? code ?? 'unknown'}`, {
    isFinal: isFinal(error),
    facts: { code, responseCode },
  });
}

/** Takes mails to their receivers, or to a file. */
interface Carrier {
  carry(mail: SendMailOptions & Rendered & { to: { address: string } }): Promise<unknown>;
  close(): void;
}

/** How a server is reached, as the transport wants it. */
function place({ at }: MailServer) {
  if (!('host' in at)) return { url: at.reveal() };
  return {
    host: at.host,
    port: at.port,
    secure: at.security === 'tls',
    requireTLS: at.security === 'starttls',
    ignoreTLS: at.security === 'none',
    ...(at.user ? { auth: { user: at.user, pass: at.password?.reveal() ?? '' } } : {}),
  };
}

type Connected = (error: Error | null, options: object) => void;

/** Connections of a server that is guarded are made by the guard. */
const guarded = (outbound: Pick<Outbound, 'connect'>) => ({
  getSocket({ host = '', port = 0 }: { host?: string; port?: number }, callback: Connected): void {
    outbound.connect({ host, port: Number(port) }).then(
      (connection) => callback(null, { connection }),
      (error: Error) => callback(error, {}),
    );
  },
});

function toServer(server: MailServer, outbound: Pick<Outbound, 'connect'>): Carrier {
  const transport = createTransport({
    ...place(server),
    ...(server.isGuarded ? guarded(outbound) : {}),
    pool: true,
    maxConnections: 2,
    connectionTimeout: TIMEOUT,
    greetingTimeout: TIMEOUT,
    socketTimeout: TIMEOUT,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return { carry: (mail) => transport.sendMail(mail), close: () => transport.close() };
}

/** Keeps what was sent in development as files, the newest only. @returns the last one's name */
export async function keepInFolder(
  folder: string,
  files: Record<string, string | Buffer>,
): Promise<string> {
  const instant = new Date().toISOString().replaceAll(':', '-');
  const name = `${folder}/${instant}-${newId().slice(-6)}`;
  await mkdir(folder, { recursive: true });
  for (const [ending, content] of Object.entries(files)) {
    await writeFile(`${name}.${ending}`, content, { mode: 0o600 });
    const kept = (await readdir(folder)).filter((file) => file.endsWith(`.${ending}`)).sort();
    await Promise.all(kept.slice(0, -MOST_FILES).map((file) => rm(`${folder}/${file}`)));
  }
  return name;
}

/** For development without a mail server: the mail as it would go out, and what is in it. */
function toFolder(folder: string, log: Logger): Carrier {
  const stream = createTransport({ streamTransport: true, buffer: true });
  return {
    async carry(mail) {
      const { message } = await stream.sendMail(mail);
      const { subject, text, html, to } = mail;
      const content = { at: new Date().toISOString(), to: to.address, subject, text, html };
      const file = await keepInFolder(folder, {
        eml: message as Buffer,
        json: JSON.stringify(content),
      });
      log.info({ file }, 'no mail server is configured: mail written to a file');
    },
    close() {},
  };
}

/** The carriers of servers in use; settings that changed get one of their own. */
function createCarriers(outbound: Pick<Outbound, 'connect'>) {
  const carriers = new Map<string, Carrier>();
  return {
    find(server: MailServer): Carrier {
      const carrier = carriers.get(server.id) ?? toServer(server, outbound);
      // The one that was used last goes to the end.
      carriers.delete(server.id);
      carriers.set(server.id, carrier);
      for (const [id, old] of carriers) {
        if (carriers.size <= MOST_SERVERS) break;
        old.close();
        carriers.delete(id);
      }
      return carrier;
    },
    close() {
      for (const carrier of carriers.values()) carrier.close();
    },
  };
}

/**
 * A mail that is sent again, as its worker ended before it knew of the server's
 * answer, is one to its reader: servers and programs know it by this.
 */
const messageIdOf = (id: string, from: string): string => {
  const domain = /@([^@>\s]+)>?$/.exec(from)?.[1] ?? 'localhost';
  return `<${createHash('sha256').update(id).digest('hex').slice(0, 40)}@${domain}>`;
};

/** Sends mails from a queue, each by the server of its tenant. */
export function createMailer<Request>(options: MailerOptions<Request>): Mailer<Request> {
  const { folder, log } = options;
  const carriers = createCarriers(options.outbound);
  const files = folder === null ? undefined : toFolder(folder, log);

  async function send(to: string, mail: Rendered, tenantId?: string): Promise<void> {
    address.parse(to);
    const server = await options.findServer(tenantId);
    const carrier = server ? carriers.find(server) : files;
    if (!carrier) throw new DeliveryError('no mail server is configured', { isFinal: false });
    const from = server?.from ?? options.from;
    try {
      await carrier.carry({ from, to: { name: '', address: to }, ...mail });
    } catch (error) {
      throw toDeliveryError(error as SendError);
    }
  }

  const post = createPost<Request>({
    ...options,
    name: 'mail',
    retries: options.retries ?? RETRIES,
    address,
    isReady: async (tenantId) =>
      files !== undefined || (await options.findServer(tenantId)) !== undefined,
    deliver: async ({ id, to, request }) => {
      const mail = { ...(await options.render(request)), messageId: messageIdOf(id, options.from) };
      await send(to, mail, options.tenantOf(request));
    },
  });
  return { ...post, send, close: carriers.close };
}
