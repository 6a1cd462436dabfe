import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../src/config.ts';
import { createDeps } from '../../src/deps.ts';
import { becomesTrue } from '../flows/support.ts';
import { seedClient, startGatehouse, USUAL_HASHES } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { count, createCli, hasStack } from './harness.ts';

const cli = await createCli();
const lotus = await cli.run(['tenants', 'create', 'lotus', '--name', 'Lotus Health', '--json']);
const tenantId = (lotus.json().tenant as { id: string }).id;

const userCount = async () => Number((await cli.query('SELECT count(*) FROM users'))[0]?.count);

test('a user is created with a generated password that is shown exactly once', async () => {
  const made = await cli.run(
    ['users', 'create', '--tenant', 'lotus', '--email', 'once@lotus.example', '--json'],
    { env: { LOG_LEVEL: 'trace' } },
  );
  assert.equal(made.code, 0, made.stderr);
  const { user, tenant, password } = made.json() as {
    user: Record<string, unknown>;
    tenant: string;
    password: string;
  };
  assert.equal(tenant, 'lotus');
  assert.equal(user.email, 'once@lotus.example');
  assert.equal(user.tenantId, tenantId);
  assert.match(String(user.createdAt), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  assert.ok(password.length >= 20);
  assert.equal(count(made.all, password), 1);

  const text = await cli.run(['users', 'create', '--tenant', 'lotus', '--username', 'worded']);
  const shown = /shown this once\): (\S+)/.exec(text.stdout)?.[1] ?? '';
  assert.ok(shown.length >= 20);
  assert.equal(count(text.all, shown), 1);
});

test('a password from standard input is never printed and lets the user in', async () => {
  const password = 'a pass phrase nobody guesses';
  const made = await cli.run(
    [
      ...['users', 'create', '--tenant', 'lotus', '--email', 'piped@lotus.example'],
      ...['--name', 'Lê Văn Bình', '--locale', 'vi', '--role', 'tenant_admin', '--email-verified'],
      ...['--password-stdin', '--json'],
    ],
    { stdin: `${password}\n`, env: { LOG_LEVEL: 'trace' } },
  );
  assert.equal(made.code, 0, made.stderr);
  assert.equal(count(made.all, password), 0);
  assert.equal(made.json().password, null);
  const user = made.json().user as Record<string, unknown>;
  assert.equal(user.emailVerified, true);
  assert.equal(user.name, 'Lê Văn Bình');
  const [member] = await cli.query('SELECT roles FROM tenant_members WHERE user_id = $1', [
    user.id,
  ]);
  assert.deepEqual(member?.roles, ['tenant_admin']);

  const deps = await createDeps(parseConfig({ ...cli.env, LOG_LEVEL: 'silent' }));
  const signedIn = await deps.signIn
    .withPassword({
      identifier: 'piped@lotus.example',
      password,
      organisation: null,
      tenantId,
      clientId: null,
      clientIp: '192.0.2.1',
    })
    .finally(() => deps.close());
  assert.equal(signedIn.user.id, user.id);
});

test('a hash that another system made is taken as it is, and lets its password in', async (t) => {
  const create = ['users', 'create', '--tenant', 'lotus', '--password-hash-stdin', '--json'];
  const hash = '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0';
  const made = await cli.run([...create, '--username', 'imported'], { stdin: `${hash}\n` });
  assert.equal(made.code, 0, made.stderr);
  assert.equal(made.json().password, null);
  assert.equal(count(made.all, hash), 0);
  const { id } = made.json().user as { id: string };
  const kept = () => cli.query('SELECT hash FROM user_passwords WHERE user_id = $1', [id]);
  assert.deepEqual(await kept(), [{ hash }]);

  const unusable = await cli.run([...create, '--username', 'md5'], { stdin: '$1$abc$def' });
  assert.equal(unusable.code, 1);
  assert.match(unusable.stderr, /- passwordHash: must be a bcrypt/);
  const both = await cli.run([...create, '--username', 'both', '--password-stdin'], {
    stdin: hash,
  });
  assert.equal(both.code, 2);

  const deps = await createDeps(parseConfig({ ...cli.env, ...USUAL_HASHES, LOG_LEVEL: 'silent' }));
  t.after(() => deps.close());
  const signIn = () =>
    deps.signIn.withPassword({
      identifier: 'imported',
      password: 'test12345',
      organisation: null,
      tenantId,
      clientId: null,
      clientIp: '192.0.2.2',
    });
  assert.equal((await signIn()).user.id, id);
  const isOurs = async () => String((await kept())[0]?.hash).startsWith('$argon2id$v=19$m=65536,');
  assert.ok(await becomesTrue(isOurs, 30_000), 'the hash is made again at the first sign-in');
  assert.equal((await signIn()).user.id, id);
});

test('a hash that was made again late never undoes a change of the password', async (t) => {
  const deps = await createDeps(parseConfig({ ...cli.env, LOG_LEVEL: 'silent' }));
  t.after(() => deps.close());
  const before = '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0';
  const user = await deps.users.create({ tenantId, username: 'changed' }, { hash: before });
  await deps.users.setPassword(tenantId, user.id, 'a pass phrase nobody guesses');
  const [changed] = await cli.query('SELECT hash FROM user_passwords WHERE user_id = $1', [
    user.id,
  ]);
  await deps.users.replaceHash({ ...user, passwordHash: before }, 'a late one');
  const [kept] = await cli.query('SELECT hash FROM user_passwords WHERE user_id = $1', [user.id]);
  assert.equal(kept?.hash, changed?.hash);
});

test('no option takes a password as an argument, where others could see it', async () => {
  for (const args of [
    ['users', 'create', '--tenant', 'lotus', '--email', 'x@lotus.example', '--password', 'hunter2'],
    ['users', 'set-password', 'once@lotus.example', 'hunter2', '--tenant', 'lotus'],
  ]) {
    const refused = await cli.run(args);
    assert.equal(refused.code, 2);
    assert.equal(refused.stdout, '');
    assert.equal(count(refused.all, 'hunter2'), 0);
  }
});

test('what is wrong with a new user is said in words, and nothing of it is kept', async () => {
  await cli.run(['users', 'create', '--tenant', 'lotus', '--email', 'taken@lotus.example']);
  const before = await userCount();
  const create = ['users', 'create', '--tenant', 'lotus', '--json'];
  const cases: [string[], string, RegExp][] = [
    [[...create, '--email', 'TAKEN@lotus.example'], '', /e-mail address is taken/],
    [['users', 'create', '--tenant', 'nope', '--email', 'a@b.example'], '', /no tenant "nope"/],
    [[...create, '--email', 'not-an-address'], '', /- email: /],
    [create, '', /give at least one of email, phone and username/],
    [[...create, '--phone', '0901234567'], '', /- phone: must be E\.164/],
    [[...create, '--username', 'weak', '--password-stdin'], 'short', /8 to 256 characters/],
    [[...create, '--username', 'empty', '--password-stdin'], '', /password .* is empty/],
    [[...create, '--username', 'two', '--password-stdin'], 'one\ntwo', /more than one line/],
  ];
  for (const [args, stdin, message] of cases) {
    const refused = await cli.run(args, { stdin });
    assert.equal(refused.code, 1, args.join(' '));
    assert.match(refused.stderr, message);
    assert.equal(refused.stdout, '');
    assert.ok(!hasStack(refused), refused.stderr);
  }
  assert.equal(await userCount(), before);
});

test('users are listed in pages, and listing makes no signing keys', async () => {
  const first = await cli.run(['users', 'list', '--tenant', 'lotus', '--limit', '2', '--json']);
  assert.equal(first.code, 0, first.stderr);
  const page = first.json() as { users: { id: string }[]; next: string };
  assert.equal(page.users.length, 2);
  assert.equal(page.next, page.users[1]?.id);
  assert.match(first.stderr, /--after/);
  const rest = await cli.run([
    'users',
    'list',
    '--tenant',
    'lotus',
    '--after',
    page.next,
    '--json',
  ]);
  const { users, next } = rest.json() as { users: { id: string }[]; next: null };
  assert.equal(next, null);
  assert.equal(users.length + 2, await userCount());
  assert.ok(!users.some(({ id }) => page.users.some((one) => one.id === id)));
  const text = await cli.run(['users', 'list', '--tenant', 'lotus']);
  const [head = '', row = ''] = text.stdout.split('\n');
  assert.equal(head.indexOf('EMAIL'), row.indexOf('once@lotus.example'));
});

test('a stored name cannot command the terminal that lists it', async () => {
  const name = 'Evil\u001b[2J\u202ename';
  await cli.run(['users', 'create', '--tenant', 'lotus', '--username', 'evil', '--name', name]);
  const text = await cli.run(['users', 'list', '--tenant', 'lotus']);
  assert.match(text.stdout, /Evil\\u001b\[2J\\u202ename/);
  assert.ok(!text.stdout.includes('\u001b'));
});

test('a limit that is no number, and a page after nobody, are usage errors', async () => {
  for (const option of [
    ['--limit', 'many'],
    ['--after', 'x'],
  ]) {
    const refused = await cli.run(['users', 'list', '--tenant', 'lotus', ...option]);
    assert.equal(refused.code, 2);
  }
});

test('the platform is a tenant from its first use on', async () => {
  const create = ['users', 'create', '--tenant', 'platform', '--role', 'super_admin', '--json'];
  const made = await cli.run([...create, '--email', 'admin@platform.example']);
  assert.equal(made.code, 0, made.stderr);
  const { tenants } = (await cli.run(['tenants', 'list', '--json'])).json() as {
    tenants: { slug: string; isPlatform: boolean }[];
  };
  assert.deepEqual(
    tenants.filter(({ isPlatform }) => isPlatform).map(({ slug }) => slug),
    ['platform'],
  );
});

test('a tenant whose slug is taken or odd is refused by name of the field', async () => {
  const taken = await cli.run(['tenants', 'create', 'lotus', '--name', 'Again']);
  assert.equal(taken.code, 1);
  assert.match(taken.stderr, /slug: is taken/);
  const odd = await cli.run(['tenants', 'create', 'Lo tus', '--name', 'Odd']);
  assert.equal(odd.code, 1);
  assert.match(odd.stderr, /slug: use lower-case letters/);
});

test('with Redis down, set-password changes nothing', async () => {
  const hashes = () => cli.query('SELECT user_id, hash FROM user_passwords ORDER BY user_id');
  const before = await hashes();
  const refused = await cli.run(
    ['users', 'set-password', 'once@lotus.example', '--tenant', 'lotus'],
    { env: { REDIS_URL: 'redis://127.0.0.1:1' } },
  );
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Redis cannot be reached/);
  assert.equal(refused.stdout, '');
  assert.deepEqual(await hashes(), before);
});

const gatehouse = await startGatehouse({ settings: cli.env });

test('set-password ends the sessions and tokens of that user', async () => {
  const email = 'signed-in@lotus.example';
  const create = ['users', 'create', '--tenant', 'lotus', '--email', email, '--json'];
  const { password, user } = (await cli.run(create)).json() as {
    password: string;
    user: { id: string };
  };
  const client = await seedClient(gatehouse.deps, tenantId);
  const openid = await discover(gatehouse.url, client);
  const request = await authorizationRequest(openid, client.redirectUri);
  const agent = createUserAgent(gatehouse.url);
  const tokens = await exchange(
    openid,
    request,
    await signIn(agent, request, { identifier: email, password }),
  );
  const userinfo = () =>
    fetch(`${gatehouse.url}/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
  assert.equal((await userinfo()).status, 200);
  assert.equal((await gatehouse.deps.sessions.list(tenantId, user.id)).length, 1);

  const set = await cli.run(['users', 'set-password', email, '--tenant', 'lotus', '--json']);
  assert.equal(set.code, 0, set.stderr);
  const answer = set.json() as { userId: string; sessionsEnded: number; password: string };
  assert.equal(answer.userId, user.id);
  assert.equal(answer.sessionsEnded, 1);
  assert.equal(count(set.all, answer.password), 1);
  assert.notEqual(answer.password, password);
  assert.equal((await gatehouse.deps.sessions.list(tenantId, user.id)).length, 0);
  assert.equal((await userinfo()).status, 401);

  const unknown = await cli.run(['users', 'set-password', 'nobody', '--tenant', 'lotus']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /no user "nobody" in this tenant/);
});
