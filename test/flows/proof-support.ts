import assert from 'node:assert/strict';
import { startConsumers } from '../../src/jobs.ts';
import { currentRequest } from '../../src/kernel/current-request.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { createMailbox, type ReceivedMail } from '../helpers/mailbox.ts';
import { callApi } from './auth-support.ts';
import { type Answer, createWorld, type World } from './support.ts';

export const SECOND = 1_000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;

/** A service with a clock of its own that sends mails to a server of the test. */
export async function createProofWorld(settings: Record<string, string> = {}) {
  const world = await createQuietWorld(settings);
  startConsumers(world.deps);
  return world;
}

/** The same, with the queues not worked off: what one request does can be counted. */
export async function createQuietWorld(settings: Record<string, string> = {}) {
  const clock = createFakeClock();
  const mailbox = await createMailbox();
  const world = await createWorld({
    settings: { SMTP_URL: mailbox.url, ...settings },
    overrides: { clock },
  });
  // Or they would come between the mails that a test waits for, in any order.
  await world.deps.tenants.updateSettings(world.people.tenantId, { newSignInNotice: false });
  return { ...world, clock, mailbox };
}

export type ProofWorld = Awaited<ReturnType<typeof createProofWorld>>;

export const post = (
  { url }: Pick<World, 'url'>,
  path: string,
  body: unknown,
  token?: string,
): Promise<Answer> => callApi(url, 'POST', path, { body, token });

/** Fails unless an answer has this status and code (RFC 9457). */
export function assertProblem(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.equal(answer.body.code, code);
  assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
}

export const codeIn = ({ text }: Pick<ReceivedMail, 'text'>): string => {
  const code = /(?<!\d)\d{6}(?!\d)/.exec(text)?.[0];
  assert.ok(code, text);
  return code;
};

export const tokenIn = ({ text }: Pick<ReceivedMail, 'text'>): string => {
  const token = /\/verify-email\?token=([\w-]+)/.exec(text)?.[1];
  assert.ok(token, text);
  return token;
};

/** Another code than this one. */
export const wrongCode = (code: string, by = 1): string =>
  String((Number(code) + by) % 1_000_000).padStart(6, '0');

let people = 0;

/** A user whose address nobody has proved. */
export async function addPending(world: ProofWorld, changes: Record<string, unknown> = {}) {
  const email = `pending-${people++}@lotus.example`;
  const user = await world.deps.users.create({
    tenantId: world.people.tenantId,
    email,
    name: 'Trần Bình',
    status: 'pending_verification',
    ...changes,
  });
  return { id: user.id, email };
}

/** What two answers must not differ in: status, body and headers, but for ids and times. */
export function shapeOf({ status, headers, body }: Answer): unknown {
  const own = /^(date|x-request-id|ratelimit-|content-length|keep-alive|connection)/;
  const names = [...headers].filter(([name]) => !own.test(name));
  const { requestId: _, ...rest } = body;
  return { status, headers: Object.fromEntries(names), body: rest };
}

/** Tenants and their settings are remembered; whether one just was says nothing of a person. */
const isRemembered = (sql: string): boolean =>
  /from "tenants" (where "id"|inner join "tenant_domains")|from "configurations"/.test(sql);

/** What a request asks of the stores, and how many messages it leaves. */
export async function countWork(world: ProofWorld, work: () => Promise<unknown>) {
  const { redis, postgres } = world.deps;
  const countJobs = async () => {
    const keys = await redis.keys(`{${world.config.REDIS_PREFIX}queue}:*`);
    return keys.filter((key) => /-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(key)).length;
  };
  const before = await countJobs();
  const queries: string[] = [];
  const onQuery = ({ sql }: { sql: string }) => {
    // The process asks for other things in between, such as keys, on behalf of nobody.
    if (currentRequest() && !isRemembered(sql)) queries.push(sql);
  };
  postgres.knex.on('query', onQuery);
  const commands: string[] = [];
  const original = redis.sendCommand.bind(redis);
  redis.sendCommand = (command, stream) => {
    commands.push(command.name);
    return original(command, stream);
  };
  try {
    await work();
  } finally {
    postgres.knex.off('query', onQuery);
    redis.sendCommand = original;
  }
  const names = commands.filter((name) => name !== 'evalsha' && name !== 'eval');
  const messages = (await countJobs()) - before;
  return { queries, scripts: commands.length - names.length, commands: names, messages };
}
