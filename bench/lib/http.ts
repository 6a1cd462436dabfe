import { connect, type Socket } from 'node:net';

/** An answer as the load needs it; the body stays bytes until somebody reads it. */
export interface Answer {
  status: number;
  /** Value of Location; empty where there is none. */
  location: string;
  /** `name=value` of each Set-Cookie. */
  cookies: string[];
  body: Buffer;
}

/** One kept-alive connection that has one request under way at a time. */
export interface Connection {
  /** Sends the bytes of a whole request. @throws when the connection ends before the answer */
  send(request: string): Promise<Answer>;
  close(): void;
}

const HEAD_END = '\r\n\r\n';

function headerOf(head: string, name: string): string | undefined {
  return new RegExp(`\\r\\n${name}: *([^\\r]*)`, 'i').exec(head)?.[1];
}

function parseHead(head: string): { answer: Omit<Answer, 'body'>; length: number } {
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined && status !== 204 && status !== 304) {
    throw new Error(`an answer without Content-Length:\n${head}`);
  }
  const isRedirect = status >= 300 && status < 400;
  const hasCookies = /\r\nset-cookie:/i.test(head);
  return {
    length: Number(length ?? 0),
    answer: {
      status,
      location: isRedirect ? (headerOf(head, 'location') ?? '') : '',
      cookies: hasCookies
        ? [...head.matchAll(/\r\nset-cookie: *([^;\r]*)/gi)].map((match) => match[1] ?? '')
        : [],
    },
  };
}

/** Reads one answer from the start of `bytes`; undefined while it is incomplete. */
function parseAnswer(bytes: Buffer): Answer | undefined {
  const end = bytes.indexOf(HEAD_END, 0, 'latin1');
  if (end === -1) return undefined;
  const { answer, length } = parseHead(bytes.toString('latin1', 0, end));
  const begin = end + HEAD_END.length;
  if (bytes.length < begin + length) return undefined;
  if (bytes.length > begin + length) throw new Error('more bytes than one answer has');
  return { ...answer, body: bytes.subarray(begin) };
}

const opened = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve();
    });
  });

/**
 * Opens a connection to 127.0.0.1. A client this bare costs a fraction of
 * node:http, so that more of a shared machine is left to what is measured.
 */
export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await opened(socket);
  let waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;
  let received: Buffer | undefined;

  function settle(outcome: Answer | Error): void {
    const { resolve, reject } = waiting ?? {};
    waiting = undefined;
    received = undefined;
    if (outcome instanceof Error) reject?.(outcome);
    else resolve?.(outcome);
  }

  socket.on('data', (chunk: Buffer) => {
    received = received ? Buffer.concat([received, chunk]) : chunk;
    try {
      const answer = parseAnswer(received);
      if (answer) settle(answer);
    } catch (error) {
      settle(error as Error);
      socket.destroy();
    }
  });
  socket.on('error', settle);
  socket.on('close', () => settle(new Error('the connection was closed')));
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      }),
    close: () => socket.destroy(),
  };
}
