import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tenantSettingsPatch } from '../../../src/features/tenant/index.ts';
import { checkAttributes } from '../../../src/features/user/index.ts';
import { isTimeZone } from '../../../src/features/user/time-zone.ts';
import { AppError } from '../../../src/kernel/errors.ts';
import fc from '../../helpers/fast-check.ts';

const accepts = (userAttributes: unknown) =>
  tenantSettingsPatch.safeParse({ userAttributes }).success;

const parse = (userAttributes: unknown) => {
  const { userAttributes: schema } = tenantSettingsPatch.parse({ userAttributes });
  assert.ok(schema);
  return schema;
};

const STAFF = parse({
  type: 'object',
  properties: {
    department: { type: 'string', enum: ['wards', 'theatre'] },
    employeeNumber: { type: 'string', minLength: 3, maxLength: 8, readOnly: true },
    grade: { type: 'integer', minimum: 1, maximum: 9 },
    onCall: { type: 'boolean' },
    since: { type: 'string', format: 'date' },
    languages: { type: 'array', items: { type: 'string' }, maxItems: 3, uniqueItems: true },
    desk: {
      type: 'object',
      properties: { floor: { type: 'integer' }, room: { type: 'string' } },
      required: ['floor'],
    },
  },
  required: ['department', 'employeeNumber'],
});

/** Paths of what is wrong with attributes. */
function wrong(value: unknown, by: 'self' | 'administrator' = 'administrator'): string[] {
  try {
    checkAttributes(STAFF, value as Parameters<typeof checkAttributes>[1], by);
    return [];
  } catch (error) {
    assert.ok(error instanceof AppError);
    assert.equal(error.code, 'IDENT_VALIDATION');
    return [...new Set((error.options.errors ?? []).map(({ path }) => path))];
  }
}

const GOOD = { department: 'wards', employeeNumber: 'A-17' };

test('attributes hold what the schema of the tenant allows, and nothing else', () => {
  assert.deepEqual(wrong(GOOD), []);
  const full = {
    ...GOOD,
    grade: 9,
    onCall: false,
    since: '2026-01-31',
    languages: ['vi', 'en'],
    desk: { floor: 3 },
  };
  assert.deepEqual(wrong(full), []);
  const cases: [object, string][] = [
    [{ ...GOOD, department: 'kitchen' }, 'attributes.department'],
    [{ ...GOOD, employeeNumber: 'A' }, 'attributes.employeeNumber'],
    [{ ...GOOD, grade: 1.5 }, 'attributes.grade'],
    [{ ...GOOD, grade: 10 }, 'attributes.grade'],
    [{ ...GOOD, onCall: 'yes' }, 'attributes.onCall'],
    [{ ...GOOD, since: '31.1.2026' }, 'attributes.since'],
    [{ ...GOOD, languages: ['vi', 'vi'] }, 'attributes.languages'],
    [{ ...GOOD, languages: ['a', 'b', 'c', 'd'] }, 'attributes.languages'],
    [{ ...GOOD, desk: { room: 'a' } }, 'attributes.desk.floor'],
    [{ ...GOOD, desk: { floor: 1, door: 2 } }, 'attributes.desk.door'],
    [{ ...GOOD, admin: true }, 'attributes.admin'],
    [{ employeeNumber: 'A-17' }, 'attributes.department'],
    [{ ...GOOD, department: 'wards\0' }, 'attributes.department'],
    [{ ...GOOD, desk: { floor: 1, room: '\ud800' } }, 'attributes.desk.room'],
  ];
  for (const [value, path] of cases) assert.deepEqual(wrong(value), [path], JSON.stringify(value));
});

test('a person is not asked for what only an administrator may set', () => {
  assert.deepEqual(wrong({ department: 'wards' }, 'self'), []);
  assert.deepEqual(wrong({ department: 'wards' }), ['attributes.employeeNumber']);
});

test('attributes are bounded in their size, whatever the schema allows', () => {
  const schema = parse({
    type: 'object',
    properties: { notes: { type: 'array', maxItems: 200, items: { type: 'string' } } },
  });
  const notes = Array.from({ length: 20 }, () => 'x'.repeat(1_000));
  assert.throws(() => checkAttributes(schema, { notes }, 'administrator'), {
    code: 'IDENT_VALIDATION',
  });
});

test('a schema has no patterns, references, unions or odd names, and is bounded', () => {
  const property = (schema: unknown, name = 'x') => ({
    type: 'object',
    properties: { [name]: schema },
  });
  assert.ok(accepts(property({ type: 'string' })));
  const nested = property({ type: 'object', properties: { y: { type: 'string' } } });
  assert.ok(accepts(nested));
  const refused: unknown[] = [
    true,
    { type: 'string' },
    property({ type: 'string', pattern: '(a+)+$' }),
    property({ $ref: '#' }),
    property({ anyOf: [{ type: 'string' }] }),
    property({ type: ['string', 'null'] }),
    property({ type: 'string', format: 'regex' }),
    property({ type: 'string', maxLength: 1e9 }),
    property({ type: 'array' }),
    property(nested),
    property({ type: 'string' }, 'with space'),
    property({ type: 'string' }, 'constructor'),
    { ...property({ type: 'string' }), required: ['y'] },
    { ...property({ type: 'string' }), additionalProperties: true },
    property({ type: 'string', enum: Array.from({ length: 200 }, (_, i) => `${i}`.repeat(50)) }),
    {
      type: 'object',
      properties: Object.fromEntries(
        Array.from({ length: 101 }, (_, i) => [`p${i}`, { type: 'boolean' }]),
      ),
    },
  ];
  for (const schema of refused) assert.ok(!accepts(schema), JSON.stringify(schema).slice(0, 100));
});

test('whatever comes as attributes is accepted or refused, never a fault of ours', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      wrong(value);
      wrong({ ...GOOD, ...value }, 'self');
    }),
  );
});

test('time zones are those of the IANA database, by any of their names, and never offsets', () => {
  for (const zone of ['UTC', 'Asia/Ho_Chi_Minh', 'Asia/Saigon', 'Europe/Berlin', 'Etc/GMT+5']) {
    assert.ok(isTimeZone(zone), zone);
  }
  for (const zone of ['', '+07:00', 'Asia/Nowhere', 'asia/saigon', 'UTC\0', '../etc/passwd']) {
    assert.ok(!isTimeZone(zone), zone);
  }
});
