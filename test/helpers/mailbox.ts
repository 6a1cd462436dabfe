import { after } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { freePort } from './gatehouse.ts';

/** A mail as the server took it. */
export interface ReceivedMail {
  from: string;
  to: string[];
  /** The whole message. */
  raw: string;
  subject: string;
  /** Its parts of text, decoded. */
  text: string;
  html: string;
}

export interface Mailbox {
  /** SMTP_URL of the server. */
  url: string;
  mails: ReceivedMail[];
  /**
   * The first mail to this address that was not taken yet; of those with such a
   * subject, if given. @throws after half a minute
   */
  take(to: string, subject?: RegExp): Promise<ReceivedMail>;
  /** Refuses the next mails with such a status, one after the other (RFC 5321 4.2.1). */
  refuseNext(...statuses: number[]): void;
}

/** Milliseconds for a mail to arrive, on a machine that is busy with others. */
const PATIENCE = 30_000;

function decodeWords(value: string): string {
  const words = /=\?utf-8\?([bq])\?([^?]*)\?=(?:\s+(?==\?))?/gi;
  return value.replace(words, (_word, encoding: string, text: string) =>
    encoding.toLowerCase() === 'b'
      ? Buffer.from(text, 'base64').toString()
      : decodeQuoted(text.replaceAll('_', ' ')),
  );
}

const decodeQuoted = (text: string): string =>
  Buffer.from(
    text
      .replace(/=\r?\n/g, '')
      .replace(/=([0-9A-F]{2})/gi, (_code, hex: string) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  ).toString();

function partOf(raw: string, type: string): string {
  const start = raw.search(new RegExp(`Content-Type: ${type}`, 'i'));
  if (start === -1) return '';
  const part = raw.slice(start);
  const [head = ''] = part.split('\r\n\r\n', 1);
  const rest = part.slice(head.length + 4);
  const end = rest.search(/\r\n----/);
  const body = end === -1 ? rest : rest.slice(0, end);
  if (/base64/i.test(head)) return Buffer.from(body, 'base64').toString();
  return /quoted-printable/i.test(head) ? decodeQuoted(body) : body;
}

function toMail(from: string, to: string[], raw: string): ReceivedMail {
  const head = raw.slice(0, raw.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ');
  const subject = decodeWords(/^Subject: (.*)$/im.exec(head)?.[1] ?? '');
  return {
    from,
    to,
    raw,
    subject,
    text: partOf(raw, 'text/plain'),
    html: partOf(raw, 'text/html'),
  };
}

/** A real mail server on loopback that keeps what it is sent; closed after the test file. */
export async function createMailbox(): Promise<Mailbox> {
  const mails: ReceivedMail[] = [];
  const taken = new Set<ReceivedMail>();
  const refusals: number[] = [];
  const server = new SMTPServer({
    authOptional: true,
    closeTimeout: 100,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onRcptTo(_address, _session, callback) {
      const responseCode = refusals.shift();
      callback(responseCode ? Object.assign(new Error('refused'), { responseCode }) : null);
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope;
        const from = mailFrom ? mailFrom.address : '';
        const to = rcptTo.map(({ address }) => address);
        mails.push(toMail(from, to, Buffer.concat(chunks).toString()));
        callback();
      });
    },
  });
  // A pooled connection that is cut when the service stops is no fault.
  server.on('error', () => undefined);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  after(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    refuseNext: (...statuses) => void refusals.push(...statuses),
    async take(to, subject = /^/) {
      const deadline = performance.now() + PATIENCE;
      for (;;) {
        const mail = mails.find(
          (one) => one.to.includes(to) && subject.test(one.subject) && !taken.has(one),
        );
        if (mail) {
          taken.add(mail);
          return mail;
        }
        if (performance.now() > deadline) throw new Error(`no mail came for ${to}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
  };
}
