import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import {
  createRemoteJWKSet,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose';
import { becomesTrue } from '../flows/support.ts';

export interface ReceivedLogout {
  method: string;
  contentType: string;
  /** The raw token. */
  token: string;
}

/** The back-channel logout endpoint of a relying party, a real HTTP server. */
export interface LogoutReceiver {
  url: string;
  /** `localhost:port`, for OUTBOUND_ALLOWED_HOSTS. */
  host: string;
  received: ReceivedLogout[];
  /** Answers these statuses one after the other, then 200; `hang` never answers. */
  answer(...statuses: (number | 'hang')[]): void;
  /** Waits until so many requests have come in. @throws when they do not */
  waitFor(count: number): Promise<void>;
}

/** Milliseconds that a delivery may take on a busy machine. */
const PATIENCE = 30_000;

export async function startLogoutReceiver(): Promise<LogoutReceiver> {
  const received: ReceivedLogout[] = [];
  let statuses: (number | 'hang')[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const form = new URLSearchParams(Buffer.concat(chunks).toString());
    const status = statuses.shift() ?? 200;
    received.push({
      method: request.method ?? '',
      contentType: request.headers['content-type'] ?? '',
      token: form.get('logout_token') ?? '',
    });
    if (status !== 'hang') response.writeHead(status, { location: '/elsewhere' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `localhost:${(server.address() as AddressInfo).port}`;
  return {
    url: `http://${host}/backchannel-logout`,
    host,
    received,
    answer(...next) {
      statuses = next;
    },
    async waitFor(count) {
      if (await becomesTrue(() => received.length >= count, PATIENCE)) return;
      throw new Error(`${received.length} of ${count} logouts came in`);
    },
  };
}

/** Verifies a logout token as a relying party does (Back-Channel Logout 1.0, 2.6). */
export async function verifyLogoutToken(
  issuer: string,
  clientId: string,
  token: string,
): Promise<{ payload: JWTPayload; header: ProtectedHeaderParameters }> {
  const jwks = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const { payload, protectedHeader } = await jwtVerify(token, jwks, {
    issuer,
    audience: clientId,
    typ: 'logout+jwt',
    requiredClaims: ['iat', 'exp', 'jti', 'events'],
  });
  return { payload, header: protectedHeader };
}
