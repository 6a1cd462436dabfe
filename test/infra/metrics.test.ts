import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createMetrics } from '../../src/infra/metrics.ts';

suite('metrics', () => {
  test('every name of the contract that exists now is there, with those of Node', async () => {
    const text = await createMetrics().renderMetrics();
    for (const name of [
      'auth_login_total',
      'auth_refresh_total',
      'auth_http_request_duration_seconds',
      'auth_dependency_up',
      'auth_hash_queue_depth',
      'auth_outbox_lag_seconds',
      'auth_session_revoked_total',
      'auth_key_age_seconds',
      'process_cpu_seconds_total',
      'nodejs_eventloop_lag_seconds',
    ]) {
      assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'));
    }
  });

  test('a request is counted under its labels', async () => {
    const metrics = createMetrics();
    metrics.observeRequest({ route: '/me', method: 'GET', status: 200, seconds: 0.04 });
    metrics.loginTotal.inc({ result: 'success' });
    const text = await metrics.renderMetrics();
    assert.match(
      text,
      /auth_http_request_duration_seconds_bucket\{le="0\.05",route="\/me",method="GET",status="200"\} 1/,
    );
    assert.match(text, /auth_login_total\{result="success"\} 1/);
  });

  test('gauges that are asked are asked once a reading, before any is read', async () => {
    const metrics = createMetrics();
    let asked = 0;
    metrics.onCollect(async () => {
      await new Promise((resolve) => setImmediate(resolve));
      asked += 1;
      metrics.dependencyUp.set({ dep: 'redis' }, 1);
      metrics.keyAgeSeconds.set(42);
      metrics.hashQueueDepth.set(3);
    });
    metrics.onCollect(() => Promise.reject(new Error('down')));
    const text = await metrics.renderMetrics();
    assert.equal(asked, 1);
    assert.match(text, /^auth_dependency_up\{dep="redis"\} 1$/m);
    assert.match(text, /^auth_key_age_seconds 42$/m);
    assert.match(text, /^auth_hash_queue_depth 3$/m);
  });

  test('in a cluster each worker answers for all: counts add up, worst gauges win', async () => {
    const script = fileURLToPath(new URL('metrics-cluster.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script]);
    const texts = JSON.parse(stdout) as string[];
    assert.equal(texts.length, 2);
    for (const text of texts) {
      assert.match(text, /^auth_login_total\{result="success"\} 3$/m);
      assert.match(text, /^auth_dependency_up\{dep="redis"\} 0$/m);
      assert.match(text, /^auth_key_age_seconds 20$/m);
      assert.match(text, /^auth_hash_queue_depth 3$/m);
    }
  });
});
