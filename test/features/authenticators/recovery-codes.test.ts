import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newCode, readCode, toGroups } from '../../../src/features/recovery-code/codes.ts';
import { createWorld, eventsOf, startTwin } from '../../flows/support.ts';
import { createFakeClock } from '../../helpers/clock.ts';
import fc from '../../helpers/fast-check.ts';
import { addApp } from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ overrides: { clock } });
const twin = await startTwin(world, { clock });
const { deps, people } = world;
const { knex } = deps.postgres;
const { tenantId } = people;
const codesOf = deps.recoveryCodes;

let count = 0;
async function createOwner() {
  count += 1;
  const { id } = await deps.users.create({ tenantId, username: `owner-${count}` });
  return { id, tenantId };
}

test('ten codes of 75 random bits, in groups, of characters that are not confused (SP 800-63B-4 3.1.2, ASVS 6.5.3)', async () => {
  const owner = await createOwner();
  const codes = await codesOf.generate(owner);
  assert.equal(new Set(codes).size, 10);
  for (const code of codes)
    assert.match(code, /^(?:[0-9A-HJKMNP-TV-Z]{5}-){2}[0-9A-HJKMNP-TV-Z]{5}$/);
  const seen = new Set(Array.from({ length: 400 }, newCode).join(''));
  assert.equal(seen.size, 32, 'every symbol comes up');
  assert.deepEqual(await codesOf.status(owner), { left: 10, createdAt: new Date(clock.now()) });
});

test('codes are read in whatever case, grouping and look-alike letters', () => {
  const spoil = (code: string, choices: number[]): string =>
    [...code]
      .map((symbol, index) => {
        const choice = choices[index % choices.length] ?? 0;
        const other = { '0': 'oO', '1': 'iIlL' }[symbol];
        const letter = other && choice > 1 ? (other[choice % other.length] ?? symbol) : symbol;
        return (choice % 2 ? letter.toLowerCase() : letter) + [' ', '-', '', '–'][choice % 4];
      })
      .join('');
  const choices = fc.array(fc.nat(7), { minLength: 1, maxLength: 20 });
  const property = fc.property(choices, (picks) => {
    const code = newCode();
    assert.equal(readCode(spoil(code, picks)), code);
    assert.equal(readCode(toGroups(code)), code);
  });
  fc.assert(property, { numRuns: 300 });
  for (const typed of ['', 'U'.repeat(15), '0'.repeat(14), '0'.repeat(16), '-'.repeat(300)]) {
    assert.equal(readCode(typed), undefined);
  }
});

test('one code 50 times at once, in two processes, is taken once (ASVS 6.5.1)', async () => {
  const owner = await createOwner();
  const [code = ''] = await codesOf.generate(owner);
  const results = await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      (index % 2 ? deps : twin.deps).recoveryCodes.verify(owner, code.toLowerCase()),
    ),
  );
  assert.equal(results.filter(Boolean).length, 1);
  assert.equal((await codesOf.status(owner))?.left, 9);
  const used = await eventsOf(deps, 'identity.user.recovery_code_used.v1');
  assert.deepEqual(used.at(-1)?.data, { userId: owner.id, left: 9 });
});

test('all ten at once are taken, and each event tells another count', async () => {
  const owner = await createOwner();
  const codes = await codesOf.generate(owner);
  const results = await Promise.all(
    codes.map((code, index) => (index % 2 ? deps : twin.deps).recoveryCodes.verify(owner, code)),
  );
  assert.deepEqual(results, Array(10).fill(true));
  const events = await eventsOf(deps, 'identity.user.recovery_code_used.v1');
  const counts = events.filter(({ subject }) => subject === owner.id).map(({ data }) => data.left);
  assert.deepEqual(counts, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  assert.equal((await codesOf.status(owner))?.left, 0);
});

test('new ones end all before; whose are made at once have ten together', async () => {
  const owner = await createOwner();
  const [old = ''] = await codesOf.generate(owner);
  assert.deepEqual(await codesOf.generateFirst(owner), []);
  const sets = await Promise.all([0, 1, 2].map(() => codesOf.generate(owner)));
  assert.equal((await codesOf.status(owner))?.left, 10);
  assert.equal(await codesOf.verify(owner, old), false);
  const firsts = await Promise.all(sets.map(([code = '']) => codesOf.verify(owner, code)));
  assert.equal(firsts.filter(Boolean).length, 1, 'one of the sets is the last');
  const generated = await eventsOf(deps, 'identity.user.recovery_codes_generated.v1');
  assert.deepEqual(generated.at(-1)?.data, { userId: owner.id, isFirst: false });
});

test('the first ones are made once, however many first authenticators there are at once', async () => {
  const owner = await createOwner();
  assert.equal(await codesOf.status(owner), null);
  assert.deepEqual(await codesOf.generateFirst(owner), [], 'nothing that they could stand in for');
  await addApp({ deps, clock }, owner);
  const sets = await Promise.all([0, 1, 2, 3].map(() => codesOf.generateFirst(owner)));
  assert.deepEqual(sets.map(({ length }) => length).sort(), [0, 0, 0, 10].sort());
});

test('codes are kept as salted HMAC: equal ones differ, and none opens for another user (ASVS 6.5.2)', async () => {
  const [owner, stranger] = [await createOwner(), await createOwner()];
  const codes = await codesOf.generate(owner);
  assert.equal(await codesOf.verify(stranger, codes[0] ?? ''), false);
  assert.equal(
    await codesOf.verify({ ...owner, tenantId: crypto.randomUUID() }, codes[0] ?? ''),
    false,
  );
  const rows = await knex('recovery_codes').where({ user_id: owner.id });
  const kept = JSON.stringify(rows.map((row) => row.code_hash.toString('hex')));
  for (const code of codes) {
    const plain = code.replaceAll('-', '');
    for (const form of [plain, Buffer.from(plain).toString('hex')]) assert.ok(!kept.includes(form));
  }
  // A hash that is moved to another row opens nothing there: its row is the salt.
  await knex('recovery_codes').where({ id: rows[0].id }).update({ code_hash: rows[1].code_hash });
  const results = [];
  for (const code of codes) results.push(await codesOf.verify(owner, code));
  assert.equal(results.filter(Boolean).length, 9);
});
