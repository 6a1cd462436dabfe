import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAccessLog } from '../../src/infra/access-log.ts';
import { createLogger } from '../../src/infra/logger.ts';
import { runInRequest } from '../../src/kernel/current-request.ts';

const request = {
  requestId: 'r-1',
  clientIp: '192.0.2.1',
  userAgent: 'a browser',
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  actorId: 'a-user',
  tenantId: 'a-tenant',
};
const fields = { method: 'POST', route: '/token', status: 200, durationMs: 1.5 };

function setUp(level: string) {
  const lines: string[] = [];
  const log = createLogger({ level, destination: { write: (line) => void lines.push(line) } });
  return { lines, log, access: createAccessLog(log) };
}

test('a line is the one that the logger writes, down to the order of members', () => {
  const { lines, log, access } = setUp('debug');
  for (const level of ['info', 'debug'] as const) {
    for (const context of [request, { ...request, actorId: null, tenantId: null }]) {
      runInRequest(context, () => {
        log[level](fields, 'request');
        access[level](fields, 'request');
      });
    }
  }
  const withoutTime = lines.map((line) => line.replace(/"time":"[\dTZ:.-]{24}"/, '"time":""'));
  for (let index = 0; index < withoutTime.length; index += 2) {
    assert.equal(withoutTime[index + 1], withoutTime[index]);
  }
  assert.equal(lines.length, 8);
});

test('the level of the logger holds', () => {
  const { lines, log, access } = setUp('info');
  access.debug(fields, 'request');
  assert.equal(lines.length, 0);
  log.level = 'silent';
  access.info(fields, 'request');
  assert.equal(lines.length, 0);
});
