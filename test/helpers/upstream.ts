import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after } from 'node:test';
import {
  type CompactJWSHeaderParameters,
  CompactSign,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  type JWK,
  type JWTPayload,
} from 'jose';

interface UpstreamKey {
  privateKey: CryptoKey;
  jwk: JWK & { kid: string };
}

/** An issuer of its own with a key set over HTTP; stopped after the test file. */
export interface Upstream {
  issuer: string;
  jwksUri: string;
  audience: string;
  /** What the key set's address answers; `null` breaks the connection. */
  state: { status: number | null; body?: string; requests: number };
  keys: UpstreamKey[];
  addKey(alg?: string): Promise<UpstreamKey>;
  /** Signs by the newest key; a claim that is undefined is left out. */
  sign(
    claims?: Record<string, unknown>,
    header?: Record<string, unknown>,
    key?: CryptoKey | Uint8Array,
  ): Promise<string>;
}

const defined = (value: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));

/** JSON as another's library may write it: an infinite number is one too large for a double. */
const toJson = (value: unknown): string =>
  JSON.stringify(value, (_key, member) =>
    member === Number.POSITIVE_INFINITY || member === Number.NEGATIVE_INFINITY
      ? `<${member}>`
      : member,
  )
    .replaceAll('"<Infinity>"', '1e999')
    .replaceAll('"<-Infinity>"', '-1e999');

export async function startUpstream(): Promise<Upstream> {
  const state: Upstream['state'] = { status: 200, requests: 0 };
  const keys: UpstreamKey[] = [];
  const server = createServer((_request, response) => {
    state.requests += 1;
    if (state.status === null) return void response.destroy();
    response.writeHead(state.status, { 'content-type': 'application/json' });
    response.end(state.body ?? JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => server.close().closeAllConnections());
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`;

  async function addKey(alg = 'ES256'): Promise<UpstreamKey> {
    const { publicKey, privateKey } = await generateKeyPair(alg);
    const jwk = { ...(await exportJWK(publicKey)), kid: randomUUID(), alg, use: 'sig' };
    const key = { privateKey, jwk };
    keys.push(key);
    return key;
  }
  await addKey();

  const upstream: Upstream = {
    issuer: `${origin}/realms/lotus`,
    jwksUri: `${origin}/jwks`,
    audience: 'gatehouse',
    state,
    keys,
    addKey,
    sign(claims = {}, header = {}, key) {
      const newest = keys.at(-1);
      if (!newest) throw new TypeError('the issuer has no key');
      const iat = Math.floor(Date.now() / 1000);
      const all: JWTPayload = {
        iss: upstream.issuer,
        aud: upstream.audience,
        sub: 'subject-1',
        iat,
        exp: iat + 300,
        ...claims,
      };
      const { kid, alg = 'ES256' } = newest.jwk;
      const protectedHeader = defined({ alg, kid, typ: 'JWT', ...header });
      return new CompactSign(new TextEncoder().encode(toJson(defined(all))))
        .setProtectedHeader(protectedHeader as CompactJWSHeaderParameters)
        .sign(key ?? newest.privateKey);
    },
  };
  return upstream;
}
