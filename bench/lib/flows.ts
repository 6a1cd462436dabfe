import { createHash } from 'node:crypto';
import type { Answer, Connection } from './http.ts';
import { type BenchClient, ISSUER, PASSWORD, REDIRECT_URI, SCOPE } from './world.ts';

/** The requests of the flows, the same bytes for every contestant. */

const HOST = new URL(ISSUER).host;
const VERIFIER = 'a'.repeat(64);
const CHALLENGE = createHash('sha256').update(VERIFIER).digest('base64url');

/** What the proxy in front would send; every connection is another visitor. */
const common = (worker: number): string =>
  `Host: ${HOST}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 192.0.2.${worker + 1}\r\n`;

/** The bytes of a GET. @param headers whole lines, each with its line end */
export const get = (worker: number, path: string, headers = ''): string =>
  `GET ${path} HTTP/1.1\r\n${common(worker)}${headers}\r\n`;

/** The bytes of a form POST. */
export function post(
  worker: number,
  path: string,
  form: Record<string, string>,
  headers = '',
): string {
  const body = new URLSearchParams(form).toString();
  return `POST ${path} HTTP/1.1\r\n${common(worker)}${headers}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** One sign-in in so many is from a network or browser that the person was never seen at. */
const STRANGE = 10;

let signIns = 0;

/**
 * Whether the next sign-in is from somewhere new. Most are not: people sign in from the
 * networks and browsers that they have.
 */
export const isSomewhereNew = (): boolean => {
  signIns += 1;
  return signIns % STRANGE === 0;
};

/** An address in a person's own network, or in one that was never seen. */
export function addressOf(person: number): string {
  const isNew = isSomewhereNew();
  const [third, last] = isNew ? [(signIns >> 8) & 255, signIns & 255] : [person, signIns % 250];
  return `${isNew ? 11 : 10}.${person & 255}.${third}.${last + 1}`;
}

let visitors = 0;

/** Another address for each request: those of one are limited, and proxies see many. */
function nextAddress(): string {
  visitors += 1;
  return `10.${(visitors >> 16) & 255}.${(visitors >> 8) & 255}.${visitors & 255}`;
}

/** The bytes of a JSON POST; by somebody who was not there before, unless `address` says. */
export function postJson(path: string, value: object, address = nextAddress()): string {
  const body = JSON.stringify(value);
  return `POST ${path} HTTP/1.1\r\nHost: ${HOST}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: ${address}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** The Authorization line of a client. */
export function basicAuth({ clientId, clientSecret }: BenchClient): string {
  const pair = [clientId, clientSecret].map(encodeURIComponent).join(':');
  return `Authorization: Basic ${Buffer.from(pair).toString('base64')}\r\n`;
}

/** @throws unless the answer has this status: one wrong answer fails the run */
export function expectStatus(answer: Answer, status: number): Answer {
  if (answer.status === status) return answer;
  const text = answer.body.toString().slice(0, 500);
  throw new Error(`expected ${status}, got ${answer.status} ${answer.location}\n${text}`);
}

/** Cookies of one browser, by name. */
export type Jar = Map<string, string>;

function keepCookies(jar: Jar, answer: Answer): void {
  for (const pair of answer.cookies) {
    const mark = pair.indexOf('=');
    const [name, value] = [pair.slice(0, mark), pair.slice(mark + 1)];
    if (value === '') jar.delete(name);
    else jar.set(name, value);
  }
}

const cookieLine = (jar: Jar): string =>
  jar.size === 0 ? '' : `Cookie: ${[...jar].map((pair) => pair.join('=')).join('; ')}\r\n`;

export interface Person {
  id: string;
  email: string;
}

const authorizePath = (client: BenchClient, hint: string): string =>
  `/authorize?${new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: REDIRECT_URI,
    response_type: 'code',
    scope: SCOPE,
    code_challenge: CHALLENGE,
    code_challenge_method: 'S256',
    state: 'a-state-of-the-client',
    nonce: 'a-nonce-of-the-client',
    login_hint: hint,
  })}`;

const codeOf = (location: string): string => new URL(location).searchParams.get('code') ?? '';

/** Asks for a code in a browser that is signed in. */
export async function authorize(
  connection: Connection,
  worker: number,
  client: BenchClient,
  jar: Jar,
): Promise<string> {
  const path = authorizePath(client, '');
  const answer = await connection.send(get(worker, path, cookieLine(jar)));
  expectStatus(answer, 303);
  keepCookies(jar, answer);
  const code = answer.location.startsWith(REDIRECT_URI) ? codeOf(answer.location) : '';
  if (!code) throw new Error(`no code: ${answer.location}`);
  return code;
}

const pathOf = (location: string): string => {
  const { pathname, search } = new URL(location, ISSUER);
  return pathname + search;
};

/** A form of the sign-in page: where it goes and its hidden CSRF token. */
function signInForm(html: string): { action: string; csrf: string } {
  const action = /action="([^"]*\/sign-in)"/.exec(html)?.[1];
  const csrf =
    /name="csrf"[^>]*value="([^"]*)"/.exec(html)?.[1] ??
    /value="([^"]*)"[^>]*name="csrf"/.exec(html)?.[1];
  if (!action || !csrf) throw new Error(`no sign-in form:\n${html.slice(0, 500)}`);
  return { action, csrf };
}

/** A sign-in that waits for the password. */
export interface StartedSignIn {
  jar: Jar;
  /** The page that asked for the password; undefined where none did. */
  form: { action: string; csrf: string } | undefined;
  /** Where the browser goes next when there was no page. */
  next: string;
}

/** Goes from the authorization request to the page that asks who is there. */
export async function startSignIn(
  connection: Connection,
  worker: number,
  client: BenchClient,
  person: Person,
): Promise<StartedSignIn> {
  const jar: Jar = new Map();
  const started = await connection.send(get(worker, authorizePath(client, person.id)));
  keepCookies(jar, expectStatus(started, 303));
  const path = pathOf(started.location);
  const page = await connection.send(get(worker, path, `${cookieLine(jar)}Accept: text/html\r\n`));
  keepCookies(jar, page);
  const form = page.status === 200 ? signInForm(page.body.toString()) : undefined;
  return { jar, form, next: page.location };
}

/** Sends the password. */
export async function submitPassword(
  connection: Connection,
  worker: number,
  started: StartedSignIn,
  person: Person,
): Promise<void> {
  const { form, jar } = started;
  if (!form) return;
  const fields = { csrf: form.csrf, identifier: person.email, password: PASSWORD };
  const answer = await connection.send(post(worker, form.action, fields, cookieLine(jar)));
  keepCookies(jar, expectStatus(answer, 303));
  started.next = answer.location;
}

/** Follows the sign-in back to the client. @returns the code */
export async function finishSignIn(
  connection: Connection,
  worker: number,
  { jar, next }: StartedSignIn,
): Promise<string> {
  const answer = await connection.send(get(worker, pathOf(next), cookieLine(jar)));
  keepCookies(jar, expectStatus(answer, 303));
  const code = answer.location.startsWith(REDIRECT_URI) ? codeOf(answer.location) : '';
  if (!code) throw new Error(`no code after the sign-in: ${answer.location}`);
  return code;
}

export interface Tokens {
  access_token: string;
  refresh_token: string;
  id_token: string;
}

async function requestTokens(
  connection: Connection,
  worker: number,
  client: BenchClient,
  form: Record<string, string>,
): Promise<Tokens> {
  const answer = await connection.send(post(worker, '/token', form, basicAuth(client)));
  const tokens = JSON.parse(expectStatus(answer, 200).body.toString()) as Tokens;
  if (!tokens.id_token || !tokens.refresh_token) throw new Error('tokens are missing');
  return tokens;
}

export const exchangeCode = (
  connection: Connection,
  worker: number,
  client: BenchClient,
  code: string,
): Promise<Tokens> =>
  requestTokens(connection, worker, client, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: REDIRECT_URI,
    code_verifier: VERIFIER,
  });

export const refresh = (
  connection: Connection,
  worker: number,
  client: BenchClient,
  token: string,
): Promise<Tokens> =>
  requestTokens(connection, worker, client, { grant_type: 'refresh_token', refresh_token: token });
