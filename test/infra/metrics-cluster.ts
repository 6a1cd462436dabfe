/** Two workers that count 1 and 2, and print what each renders: run by metrics.test.ts. */
import cluster from 'node:cluster';
import { createMetrics, serveClusterMetrics } from '../../src/infra/metrics.ts';

if (cluster.isPrimary) {
  serveClusterMetrics();
  const workers = [cluster.fork(), cluster.fork()];
  const texts: string[] = [];
  let counted = 0;
  cluster.on('message', (_, message: { counted?: true; text?: string }) => {
    if (message.counted && ++counted === 2) for (const worker of workers) worker.send('render');
    if (typeof message.text !== 'string') return;
    texts.push(message.text);
    if (texts.length < 2) return;
    console.log(JSON.stringify(texts));
    for (const worker of workers) worker.kill();
  });
} else {
  const number = cluster.worker?.id ?? 0;
  const metrics = createMetrics();
  metrics.loginTotal.inc({ result: 'success' }, number);
  metrics.onCollect(() => {
    metrics.dependencyUp.set({ dep: 'redis' }, number - 1);
    metrics.keyAgeSeconds.set(number * 10);
    metrics.hashQueueDepth.set(number);
  });
  process.on('message', async (message) => {
    if (message === 'render') process.send?.({ text: await metrics.renderMetrics() });
  });
  process.send?.({ counted: true });
}
