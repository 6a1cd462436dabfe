import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createPasswords, isSupportedHash } from '../../src/infra/passwords/index.ts';

/** Cheap: what is tested here does not depend on the cost of our own hashes. */
const passwords = createPasswords({
  concurrency: 2,
  cost: { memoryCost: 256, timeCost: 2, parallelism: 1 },
});
after(() => passwords.close());

/** Base64 without padding of bytes in hexadecimal. */
const fromHex = (hex: string): string =>
  Buffer.from(hex, 'hex').toString('base64').replace(/=+$/, '');

/** Known answers: name, password, hash. */
const VECTORS: [string, string, string][] = [
  [
    'argon2i, reference implementation (version 19)',
    'password',
    '$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8',
  ],
  [
    'argon2i, reference implementation (version 16, unnamed)',
    'password',
    '$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY',
  ],
  [
    'argon2id with two lanes, reference implementation',
    'password',
    '$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc',
  ],
  ['bcrypt 2a, crypt_blowfish', 'U*U', `$2a$05$${'C'.repeat(21)}.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW`],
  ['bcrypt 2y, crypt_blowfish', 'U*U*', `$2y$05$${'C'.repeat(21)}.VGOzA784oUp/Z0DY336zx7pLYAy0lwK`],
  [
    'bcrypt 2b, crypt_blowfish',
    'U*U*U',
    `$2b$05$${'X'.repeat(21)}OAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a`,
  ],
  [
    'scrypt, RFC 7914 12',
    'password',
    `$scrypt$ln=10,r=8,p=16$TmFDbA$${fromHex('fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640')}`,
  ],
  [
    'scrypt, RFC 7914 12, with padding and another order of parameters',
    'pleaseletmein',
    `$scrypt$ln=14,p=1,r=8$U29kaXVtQ2hsb3JpZGU=$${fromHex('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887')}==`,
  ],
  [
    'PBKDF2-HMAC-SHA-256, RFC 7914 11',
    'passwd',
    `$pbkdf2-sha256$i=1,l=64$c2FsdA$${fromHex('55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783')}`,
  ],
  [
    'PBKDF2-HMAC-SHA-1, RFC 6070 2',
    'password',
    `$pbkdf2$4096$c2FsdA$${fromHex('4b007901b765489abead49d926f721d065a429c1')}`,
  ],
  [
    'PBKDF2-HMAC-SHA-256, the vectors of RFC 6070 with the longer digest',
    'passwordPASSWORDpassword',
    `$pbkdf2-sha256$i=4096,l=40$${Buffer.from('saltSALTsaltSALTsaltSALTsaltSALTsalt').toString('base64')}$NIyJ28vTKy8y2BS4EW6EzysXNH68GAAYHE4qH7jdU+HGNVGMfaxH6Q`,
  ],
  [
    'PBKDF2-HMAC-SHA-256, passlib',
    'password',
    '$pbkdf2-sha256$1212$4vjV83LKPjQzk31VI4E0Vw$hsYF68OiOUPdDZ1Fg.fJPeq1h/gXXY7acBp9/6c.tmQ',
  ],
  [
    'PBKDF2-HMAC-SHA-256, Django',
    'lètmein',
    'pbkdf2_sha256$320000$seasalt$Toj2II2rBvFiGQcPmUml1Nlni2UtvyRWwz/jz4q6q/4=',
  ],
  ['phpass $P$, its own test', 'test12345', '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0'],
  ['phpass $H$, phpBB', 'test1', '$H$9aaaaaSXBjgypwqm.JsMssPLiS8YQ00'],
];

for (const [name, password, hash] of VECTORS) {
  test(`a known answer is met: ${name}`, async () => {
    assert.equal(passwords.isSupported(hash), true);
    assert.equal(await passwords.verify(password, hash), true);
    assert.equal(await passwords.verify(`${password}x`, hash), false);
    assert.equal(await passwords.verify('', hash), false);
    assert.equal(passwords.needsRehash(hash), true, 'it is to be made again at the next sign-in');
  });
}

const BCRYPT_OF_72 = '$2b$04$abcdefghijklmnopqrstuu';

test('ASVS 6.2.8: bcrypt never takes a password that it would cut short, nor one with a NUL', async () => {
  const { hashSync } = (await import('bcryptjs')).default;
  const longest = 'đ'.repeat(36);
  assert.equal(Buffer.byteLength(longest), 72);
  const hash = hashSync(longest, BCRYPT_OF_72);
  assert.equal(await passwords.verify(longest, hash), true);
  assert.equal(await passwords.verify(`${longest}x`, hash), false);
  const short = hashSync('abc', BCRYPT_OF_72);
  assert.equal(await passwords.verify('abc', short), true);
  assert.equal(await passwords.verify('abc\0abc', short), false);
});

test('a foreign hash is met by what was typed as by its normal form (NFKC); ours by either spelling', async () => {
  const { pbkdf2Sync } = await import('node:crypto');
  const made = (password: string): string =>
    `pbkdf2_sha256$10$salt$${pbkdf2Sync(password, 'salt', 10, 32, 'sha256').toString('base64')}`;
  const [composed, decomposed] = ['mật khẩu'.normalize('NFC'), 'mật khẩu'.normalize('NFD')];
  assert.notEqual(composed, decomposed);
  assert.equal(await passwords.verify(decomposed, made(decomposed)), true);
  assert.equal(await passwords.verify(decomposed, made(composed)), true);
  assert.equal(await passwords.verify(composed, made(decomposed)), false);
  const ours = await passwords.hash(decomposed);
  assert.equal(passwords.needsRehash(ours), false);
  assert.equal(await passwords.verify(composed, ours), true);
  assert.equal(await passwords.verify(decomposed, ours), true);
});

const SALT = 'c29tZXNhbHRzb21lc2FsdA';
const KEY = 'A'.repeat(43);

test('a hash whose parameters ask for too much memory or time is refused, and never computed', async () => {
  const tooDear = [
    `$argon2id$v=19$m=262145,t=1,p=1$${SALT}$${KEY}`,
    `$argon2id$v=19$m=262144,t=11,p=1$${SALT}$${KEY}`,
    `$argon2d$v=19$m=4294967295,t=1,p=1$${SALT}$${KEY}`,
    `$argon2i$v=19$m=8,t=99999999,p=1$${SALT}$${KEY}`,
    `$2b$15$${'C'.repeat(53)}`,
    `$2b$31$${'C'.repeat(53)}`,
    `$scrypt$ln=19,r=8,p=1$${SALT}$${KEY}`,
    `$scrypt$ln=17,r=8,p=5$${SALT}$${KEY}`,
    `$scrypt$ln=10,r=1048576,p=1$${SALT}$${KEY}`,
    `$pbkdf2-sha256$i=2000001$${SALT}$${KEY}`,
    `$pbkdf2-sha512$99999999$${SALT}$${KEY}`,
    `pbkdf2_sha256$2000001$salt$${KEY}=`,
    `$pbkdf2-sha256$i=600000$${SALT}$${'A'.repeat(171)}`,
    `$P$H${'a'.repeat(30)}`,
  ];
  for (const hash of tooDear) {
    assert.equal(isSupportedHash(hash), false, hash);
    assert.equal(await passwords.verify('password', hash), false, hash);
  }
  const bearable = [
    `$argon2id$v=19$m=262144,t=10,p=4$${SALT}$${KEY}`,
    `$2b$14$${'C'.repeat(53)}`,
    `$scrypt$ln=17,r=8,p=1$${SALT}$${KEY}`,
    `$pbkdf2-sha512$i=2000000$${SALT}$${'A'.repeat(86)}`,
    `$P$G${'a'.repeat(30)}`,
  ];
  for (const hash of bearable) assert.equal(isSupportedHash(hash), true, hash);
});

test('what is no whole hash of a known scheme matches nothing, not even the empty password', async () => {
  const broken = [
    '',
    'password',
    '$1$salt$qJH7.N4xYta3aEG/dfqo/0',
    '$6$salt$abc',
    '{SSHA}abc',
    '$argon2id$v=19$m=256,t=0,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2id$v=19$m=7,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65',
    '$argon2id$v=18$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    `$2x$05$${'C'.repeat(53)}`,
    `$2b$03$${'C'.repeat(53)}`,
    `$2b$05$${'C'.repeat(52)}`,
    `$scrypt$ln=0,r=8,p=1$${SALT}$${KEY}`,
    `$scrypt$ln=16,r=1,p=1$${SALT}$${KEY}`,
    `$scrypt$ln=10,ln=8,p=1$${SALT}$${KEY}`,
    `$scrypt$ln=10,r=8,p=1$${SALT}$AAAA`,
    `$pbkdf2-sha256$i=0$${SALT}$${KEY}`,
    `$pbkdf2-sha256$i=1000,l=31$${SALT}$${KEY}`,
    `$pbkdf2-md5$1000$${SALT}$${KEY}`,
    `$pbkdf2-sha256$1000$${SALT}$`,
    `$pbkdf2-sha256$1000$!!!!$${KEY}`,
    'pbkdf2_sha256$1000$salt$AAAA',
    `$P$4${'a'.repeat(30)}`,
    `$P$9${'a'.repeat(31)}`,
    ` $P$9${'a'.repeat(30)}`,
    `$pbkdf2-sha256$1000$${'A'.repeat(500)}$${KEY}`,
  ];
  for (const hash of broken) {
    assert.equal(isSupportedHash(hash), false, hash);
    assert.equal(await passwords.verify('', hash), false, hash);
  }
  assert.equal(await passwords.verify('', null), false);
});
