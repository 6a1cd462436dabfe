import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createPasswordPolicy } from '../../../src/features/password/index.ts';
import { tenantSettings } from '../../../src/features/tenant/settings.ts';
import { type BreachResult, createBreaches } from '../../../src/infra/breaches.ts';
import { createStrengthMeter } from '../../../src/infra/passwords/strength.ts';
import { AppError } from '../../../src/kernel/errors.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'gatehouse-breaches-'));
const strength = createStrengthMeter();
const closers: (() => Promise<void>)[] = [];
after(async () => {
  await Promise.all(closers.map((close) => close()));
  await strength.close();
  await rm(folder, { recursive: true, force: true });
});

const TENANT_ID = '019a9d2e-0000-7000-8000-000000000001';
const tenants = (passwordMinLength = 8) => ({
  find: async () => ({
    id: TENANT_ID,
    slug: 'lotus',
    name: 'Lotus Health',
    isPlatform: false,
    logoUrl: null,
    colour: null,
    locale: 'en',
    settings: tenantSettings.parse({ passwordMinLength }),
  }),
});

/** What became of each look-up. */
const results: BreachResult[] = [];

function createPolicy(
  sources: { rangeUrl?: string; file?: string; timeout?: number; passwordMinLength?: number } = {},
) {
  const breaches = createBreaches({
    rangeUrl: sources.rangeUrl,
    file: sources.file,
    // On a machine that is busy with others a second may be too short for anything.
    timeout: sources.timeout ?? 30_000,
    onResult: (result) => void results.push(result),
  });
  closers.push(() => breaches.close());
  return createPasswordPolicy({ tenants: tenants(sources.passwordMinLength), breaches, strength });
}

const PERSON = [
  'an.nguyen@lotus.example',
  '+84901234567',
  'an.nguyen',
  'Nguyễn Thị An',
  'An',
  'Nguyễn Thị',
];

const sha1 = (text: string): string => createHash('sha1').update(text).digest('hex').toUpperCase();

const BREACHED = 'tangerine umbrella 1987';
const CLEAN = 'quiet lanterns over water';

/** A range service whose next answers are what `answer` does. */
const asked: { url: string; padding: unknown }[] = [];
let answer = (_request: IncomingMessage, response: ServerResponse): void => {
  const digest = sha1(BREACHED);
  const others = Array.from(
    { length: 800 },
    (_, at) => `${sha1(`other ${at}`).slice(5)}:${at % 3}`,
  );
  const padded = `${sha1(CLEAN).slice(5)}:0`;
  response.end([...others, padded, `${digest.slice(5)}:12`].join('\r\n'));
};
const healthy = answer;
const server = createServer((request, response) => {
  asked.push({ url: request.url ?? '', padding: request.headers['add-padding'] });
  answer(request, response);
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
after(() => {
  server.closeAllConnections();
  server.close();
});
const rangeUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/range/`;

/** The reason for which a password is refused, or null. */
async function faultOf(
  password: string,
  policy = createPolicy(),
  words: readonly string[] = PERSON,
): Promise<unknown> {
  try {
    await policy.check(password, { tenantId: TENANT_ID, words });
    return null;
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    const reason = error.options.extensions?.reason;
    const code = reason === 'breached' ? 'IDENT_BREACHED_PASSWORD' : 'IDENT_WEAK_PASSWORD';
    assert.equal(error.code, code);
    assert.equal(error.status, 400);
    const [field] = error.options.errors ?? [];
    assert.equal(field?.path, 'password');
    assert.ok(field?.message, 'SP 800-63B-4 3.1.1.2: the person is told why');
    const isTold = password.length > 12 && JSON.stringify(error.options).includes(password);
    assert.equal(isTold, false, 'and the password is not repeated');
    return reason;
  }
}

const plain = createPolicy();

test('ASVS 6.2.1, 6.2.9, SP 800-63B-4 3.1.1.2: 8 to 256 characters, each code point of the NFKC form counted once', async () => {
  assert.equal(await faultOf('kx7vqnw', plain), 'too_short');
  assert.equal(await faultOf('kx7vqnwz', plain), null);
  assert.equal(await faultOf('🦔🐌🌵🪐🎻🧿🪁', plain), 'too_short');
  assert.equal(await faultOf('🦔🐌🌵🪐🎻🧿🪁🛶', plain), null);
  assert.equal(await faultOf('e\u0301o\u0301u\u0301kx7v', plain), 'too_short', '7 when composed');
  assert.equal(await faultOf('ﬃkx7vq', plain), null, 'a ligature is three letters in NFKC');
  const varied = Array.from({ length: 256 }, (_, at) => String.fromCodePoint(0x4e00 + at)).join('');
  assert.equal(await faultOf(varied, plain), null);
  assert.equal(await faultOf(`${varied}x`, plain), 'too_long');
  assert.equal(await faultOf('x y'.repeat(1_000_000), plain), 'too_long');
  const strict = createPolicy({ passwordMinLength: 15 });
  assert.equal(await faultOf('kx7vqnwzpl3mtg', strict), 'too_short');
  assert.equal(await faultOf('kx7vqnwzpl3mtgy', strict), null);
});

test('ASVS 6.2.5: no kind of character is asked for; spaces and all of Unicode are taken', async () => {
  for (const password of [
    'correct horse battery staple',
    'kxvqnwzplmtg',
    '58301977264119',
    '  two  spaces  ',
    'con mèo trèo cây cau',
    'пароль из слов',
    'رمز طويل جدا',
    '_-_+_=_;_._,_!',
  ]) {
    assert.equal(await faultOf(password, plain), null, password);
  }
});

test('ASVS 6.2.4: the passwords used most are refused, in any case and with signs for letters', async () => {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  const fitting = dictionary['passwords-common'].filter((one) => one.length >= 8);
  assert.ok(fitting.length > 3_000);
  for (const password of fitting.slice(0, 3_000)) {
    assert.equal(await faultOf(password, plain, []), 'common', password);
  }
  for (const password of [
    'PASSWORD',
    'PassW0rd',
    'p@ssw0rd',
    'pa$$w0rd',
    'ｐａｓｓｗｏｒｄ',
    'passwordpassword',
    'dragondragon',
    'aaaaaaaaaaaa',
    'ababababab',
    '!!!!!!!!!!!!',
  ]) {
    assert.equal(await faultOf(password, plain, []), 'common', password);
  }
});

test('ASVS 6.2.11: words of the person, the organisation and the product are refused, alone and with trifles', async () => {
  for (const password of [
    'Gatehouse',
    'gatehouse1',
    'G@teh0use!',
    'gatehouse-2026',
    '2026gatehouse',
    'Lotus Health',
    'lotushealth1!',
    'LotusGatehouse',
    'an.nguyen@lotus.example',
    'an.nguyen',
    'nguyenan1',
    'Nguyễn Thị An',
    'nguyenthian',
    'NguyenThiAn2026',
    '0901234567',
    '84901234567',
    '901234567!',
  ]) {
    assert.equal(await faultOf(password, plain), 'context', password);
  }
});

test('SP 800-63B-4 3.1.1.2: the whole password is compared, so that a known word may be part of one', async () => {
  for (const password of [
    'my password is a hedgehog',
    'the gatehouse keeper sleeps',
    'nguyen plays the cello',
    'lotus-kx7vqnwz',
    'gatehouse20261121',
  ]) {
    assert.equal(await faultOf(password, plain), null, password);
  }
});

test('ASVS 6.2.12: a password from a breach is refused; the service learns five digits of a hash', async () => {
  const policy = createPolicy({ rangeUrl });
  results.length = 0;
  assert.equal(await faultOf(BREACHED, policy), 'breached');
  assert.equal(await faultOf(CLEAN, policy), null, 'a padded line, counted 0, is no hit');
  assert.deepEqual(results, ['known', 'unknown']);
  const prefixes = [BREACHED, CLEAN].map((password) => `/range/${sha1(password).slice(0, 5)}`);
  assert.deepEqual(
    asked.map(({ url }) => url),
    prefixes,
  );
  assert.ok(asked.every(({ padding }) => padding === 'true'));
});

test('a password that is refused already is told to nobody', async () => {
  const policy = createPolicy({ rangeUrl });
  const before = asked.length;
  assert.equal(await faultOf('passw0rd', policy), 'common');
  assert.equal(await faultOf('short', policy), 'too_short');
  assert.equal(asked.length, before);
});

test('an outage of the range service blocks nobody: errors, silence, floods, redirects', async () => {
  const policy = createPolicy({ rangeUrl, timeout: 250 });
  const outages: (typeof answer)[] = [
    (_request, response) => void response.writeHead(503).end(),
    (_request, response) => void response.writeHead(302, { location: '/elsewhere' }).end(),
    (request) => void request.socket.destroy(),
    () => {},
    (_request, response) => {
      response.writeHead(200);
      response.write('A'.repeat(35));
    },
    (_request, response) => void response.end('A'.repeat(2 * 1024 * 1024)),
  ];
  for (const outage of outages) {
    answer = outage;
    results.length = 0;
    assert.equal(await faultOf(BREACHED, policy), null);
    assert.deepEqual(results, ['unavailable']);
  }
  answer = healthy;
  const patient = createPolicy({ rangeUrl });
  assert.equal(await faultOf(BREACHED, patient), 'breached');
  const nobody = createPolicy({ rangeUrl: 'http://127.0.0.1:1/' });
  assert.equal(await faultOf(BREACHED, nobody), null);
});

test('ASVS 6.2.12: a file of hashes is searched whatever place they have in it', async () => {
  const others = Array.from({ length: 3_000 }, (_, at) => `secret number ${at}`);
  const known = [...others, BREACHED];
  for (const [name, end] of [
    ['counted', ':17\r\n'],
    ['bare', '\n'],
  ] as const) {
    const file = path.join(folder, name);
    const lines = known.map(sha1).sort();
    await writeFile(file, lines.join(end) + (name === 'bare' ? '' : end));
    const policy = createPolicy({ file });
    const byHash = new Map(known.map((password) => [sha1(password), password]));
    const first = byHash.get(lines[0] ?? '') ?? '';
    const last = byHash.get(lines.at(-1) ?? '') ?? '';
    for (const password of [first, last, BREACHED, ...others.slice(0, 200)]) {
      assert.equal(await faultOf(password, policy), 'breached', password);
    }
    for (const password of [CLEAN, ...others.slice(0, 100).map((one) => `${one} and more`)]) {
      assert.equal(await faultOf(password, policy), null, password);
    }
  }
});

test('a file that is missing, empty or something else blocks nobody', async () => {
  const [empty, prose] = ['empty', 'prose'].map((name) => path.join(folder, name));
  await writeFile(empty ?? '', '');
  await writeFile(prose ?? '', 'This is no list of hashes.\n'.repeat(1_000));
  const cases: [string | undefined, BreachResult][] = [
    [path.join(folder, 'missing'), 'unavailable'],
    [prose, 'unavailable'],
    [folder, 'unavailable'],
    [empty, 'unknown'],
  ];
  for (const [file, result] of cases) {
    results.length = 0;
    assert.equal(await faultOf(BREACHED, createPolicy({ file: file ?? '' })), null);
    assert.deepEqual(results, [result], file);
  }
});

test('strength is told from 0 to 4, knows the words of the person, and bounds its work', async () => {
  assert.equal(await plain.strength('password', []), 0);
  assert.equal(await plain.strength('correct horse battery staple', []), 4);
  assert.ok(Number(await plain.strength('annguyenlotus', ['annguyen', 'lotus'])) <= 1);
  assert.notEqual(await plain.strength('4@31!0$7'.repeat(100_000), []), null);
  const many = await Promise.all(
    Array.from({ length: 40 }, () => plain.strength('correct horse battery staple', [])),
  );
  assert.ok(many.includes(4), 'some are answered');
  assert.ok(many.includes(null), 'and the rest is not kept waiting');
});
