import { apiLogin, apiRefresh, jwksBesideLogins } from './api-parts.ts';
import type { Contestant, Variant } from './contestants.ts';
import { get } from './flows.ts';
import {
  type Bench,
  clientCredentials,
  codeExchange,
  codeFlow,
  introspection,
  type Part,
  passwordCheck,
  refreshing,
  repeat,
  signIn,
  userinfo,
} from './parts.ts';

export interface Scenario {
  name: string;
  title: string;
  variant: Variant;
  /** Least ratio to its base that Gatehouse ×1 is meant to reach. */
  target?: number;
  /** Milliseconds that the 99th percentile of Gatehouse ×1 is meant to stay under. */
  p99Target?: number;
  /** What the ratio is taken of: the bare engine, argon2id alone, or nothing. */
  base: 'bare' | 'argon2id' | 'none';
  prepare(bench: Bench, contestant: Contestant): Promise<Part>;
}

const RS256: Variant = { alg: 'RS256', format: 'jwt' };
const ES256: Variant = { alg: 'ES256', format: 'jwt' };
const OPAQUE: Variant = { alg: 'RS256', format: 'opaque' };

const constant = (path: string) => async (): Promise<Part> => repeat((worker) => get(worker, path));

/** In the order in which they are run; those of one variant follow one another. */
export const scenarios: Scenario[] = [
  {
    name: 'jwks',
    title: 'JWKS',
    variant: RS256,
    target: 1.5,
    base: 'bare',
    prepare: constant('/.well-known/jwks.json'),
  },
  {
    name: 'discovery',
    title: 'Discovery',
    variant: RS256,
    target: 1.5,
    base: 'bare',
    prepare: constant('/.well-known/openid-configuration'),
  },
  {
    name: 'client-credentials',
    title: 'client_credentials, JWT, RS256',
    variant: RS256,
    target: 0.9,
    base: 'bare',
    prepare: async (bench) => clientCredentials(bench),
  },
  {
    name: 'code-flow',
    title: 'Code flow with a session: /authorize and /token',
    variant: RS256,
    base: 'bare',
    prepare: codeFlow,
  },
  {
    name: 'code-exchange',
    title: 'Code exchange alone',
    variant: RS256,
    base: 'bare',
    prepare: codeExchange,
  },
  {
    name: 'refresh',
    title: 'Refresh with rotation: JWT, ID token, RS256',
    variant: RS256,
    target: 0.6,
    base: 'bare',
    prepare: refreshing,
  },
  {
    name: 'introspection-jwt',
    title: 'Introspection of a JWT (the bare engine refuses)',
    variant: RS256,
    base: 'none',
    prepare: introspection,
  },
  {
    name: 'userinfo-jwt',
    title: 'Userinfo with a JWT (the bare engine refuses)',
    variant: RS256,
    base: 'none',
    prepare: userinfo,
  },
  {
    name: 'password',
    title: 'Password check of a sign-in (POST of the form)',
    variant: RS256,
    target: 0.9,
    base: 'argon2id',
    prepare: passwordCheck,
  },
  {
    name: 'sign-in',
    title: 'Whole sign-in: request, page, password, code',
    variant: RS256,
    base: 'argon2id',
    prepare: signIn,
  },
  {
    name: 'auth-login',
    title: 'POST /auth/login',
    variant: RS256,
    target: 0.9,
    base: 'argon2id',
    prepare: apiLogin,
  },
  {
    name: 'auth-refresh',
    title: 'POST /auth/refresh (bare: its token endpoint)',
    variant: RS256,
    // At most one and a half times the cost.
    target: 0.667,
    base: 'bare',
    prepare: apiRefresh,
  },
  {
    name: 'jwks-beside-logins',
    title: 'JWKS while sign-ins saturate the hashers',
    variant: RS256,
    p99Target: 20,
    base: 'none',
    prepare: jwksBesideLogins,
  },
  {
    name: 'client-credentials-es256',
    title: 'client_credentials, JWT, ES256',
    variant: ES256,
    base: 'bare',
    prepare: async (bench) => clientCredentials(bench),
  },
  {
    name: 'introspection',
    title: 'Introspection, opaque token of a user',
    variant: OPAQUE,
    target: 0.6,
    base: 'bare',
    prepare: introspection,
  },
  {
    name: 'userinfo',
    title: 'Userinfo, opaque token',
    variant: OPAQUE,
    base: 'bare',
    prepare: userinfo,
  },
];
