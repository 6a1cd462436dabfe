import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { parseEnv } from 'node:util';
import {
  claimDirectory,
  formatTime,
  keepPassword,
  ROOT,
  writePrivateFile,
} from '../../scripts/lib/common.mjs';
import { environmentFile } from '../../scripts/lib/environment.mjs';

function temporaryDirectory(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'gatehouse-setup-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

describe('the environment file', () => {
  test('is readable by its owner alone, also when it replaces an open one', () => {
    const file = path.join(temporaryDirectory(), 'gatehouse.env');
    writeFileSync(file, 'OLD=1\n', { mode: 0o644 });
    writePrivateFile(file, environmentFile({ PORT: '3000' }));
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  test('gives node the same values back and leaves out what is not set', () => {
    const values = { DATABASE_URL: 'postgres://u:p%23#"\\n$x@127.0.0.1:1/db', PORT: '3000' };
    const text = environmentFile({ ...values, ISSUER: undefined });
    assert.deepEqual({ ...parseEnv(text) }, values);
  });

  test('refuses what it cannot write', () => {
    assert.throws(() => environmentFile({ ISSUER: "it's" }), /ISSUER/);
    assert.throws(() => environmentFile({ ISSUER: 'a\nB=1' }), /ISSUER/);
  });
});

test('a password is made once and kept in a private file', () => {
  const file = path.join(temporaryDirectory(), 'password');
  const password = keepPassword(file);
  assert.match(password, /^[0-9a-f]{48}$/);
  assert.equal(keepPassword(file), password);
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

describe('claimDirectory', () => {
  test('is held until released', () => {
    const dir = temporaryDirectory();
    const claim = claimDirectory(dir);
    assert.ok('release' in claim);
    assert.deepEqual(claimDirectory(dir), { owner: process.pid });
    claim.release();
    assert.ok('release' in claimDirectory(dir));
  });

  test('takes over from a dead process, and from one whose pid is in use again', () => {
    const dir = temporaryDirectory();
    writeFileSync(path.join(dir, 'owner'), `${process.pid}\nanother start time\n`);
    assert.ok('release' in claimDirectory(dir));
    assert.match(readFileSync(path.join(dir, 'owner'), 'utf8'), new RegExp(`^${process.pid}\n\\d`));
  });
});

describe('runMain', () => {
  /** Runs a script that registers two stops, and sends it a signal once it says that it is up. */
  function interrupted(signal: NodeJS.Signals | undefined, work: string) {
    const script = `
      import { runMain } from './scripts/lib/common.mjs';
      await runMain(async ({ onStop }) => {
        onStop(() => console.log('stop 1'));
        onStop(() => console.log('stop 2'));
        console.log('up');
        ${work}
      }, 7);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      if (!output && signal) child.kill(signal);
      output += chunk;
    });
    return new Promise((resolve) => {
      child.once('close', (code) => resolve({ code, output: output.trim().split('\n') }));
    });
  }
  const output = ['up', 'stop 2', 'stop 1'];
  const wait = 'await new Promise((resolve) => setTimeout(resolve, 60_000)); return 0;';

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    test(`stops in reverse order at ${signal}`, async () => {
      assert.deepEqual(await interrupted(signal, wait), { code: 7, output });
    });
  }
  test('stops in reverse order at the end, and after errors', async () => {
    assert.deepEqual(await interrupted(undefined, 'return 3;'), { code: 3, output });
    assert.deepEqual(await interrupted(undefined, 'throw new Error();'), { code: 1, output });
    const thrownLater = `setTimeout(() => { throw new Error(); }); ${wait}`;
    assert.deepEqual(await interrupted(undefined, thrownLater), { code: 1, output });
  });
});

test('times are printed for people', () => {
  assert.equal(formatTime(49), '0.0 s');
  assert.equal(formatTime(12_340), '12.3 s');
  assert.equal(formatTime(65_400), '1 min 05 s');
});
