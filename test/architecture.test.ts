import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** Who may import whom, read from the imports themselves. See docs/architecture.md. */

const ROOT = fileURLToPath(new URL('../src/', import.meta.url));

interface Import {
  /** File that imports, relative to src/. */
  from: string;
  /** Package name, or file relative to src/. */
  to: string;
  isType: boolean;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/g;

function importsOf(file: string): Import[] {
  const from = relative(ROOT, file).split(sep).join('/');
  return [...readFileSync(file, 'utf8').matchAll(IMPORT)].map(([, type, name, dynamic]) => {
    const target = name ?? dynamic ?? '';
    const to = target.startsWith('.')
      ? relative(ROOT, normalize(join(dirname(file), target)))
          .split(sep)
          .join('/')
      : target;
    return { from, to, isType: type !== undefined };
  });
}

const files = readdirSync(ROOT, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts'))
  .map((entry) => join(entry.parentPath, entry.name));
const imports = files.flatMap(importsOf);

/** Imports that a rule forbids, as lines to read. */
const broken = (rule: (one: Import) => boolean): string[] =>
  imports.filter(rule).map(({ from, to }) => `${from} → ${to}`);

const isWithin = (path: string, ...folders: string[]): boolean =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`));

const isOurs = ({ to }: Import): boolean => to.endsWith('.ts');

/** What each layer may import of ours, beside itself. */
const LAYERS: Record<string, string[]> = {
  kernel: [],
  pages: [],
  infra: ['kernel'],
  features: ['kernel'],
  web: ['kernel', 'pages', 'features', 'config.ts'],
  oidc: ['kernel', 'infra', 'pages', 'features', 'web', 'config.ts'],
};

for (const [layer, allowed] of Object.entries(LAYERS)) {
  test(`${layer} imports only ${[layer, ...allowed].join(', ')}; others as types at most`, () => {
    const found = broken(
      (one) =>
        isWithin(one.from, layer) &&
        isOurs(one) &&
        !isWithin(one.to, layer, ...allowed) &&
        // What deps hands over has a type; knowing it couples nothing.
        !(one.isType && isWithin(one.to, 'infra')),
    );
    assert.deepEqual(found, []);
  });
}

test('a feature reaches another only through its index', () => {
  const featureOf = (path: string): string | undefined => /^features\/([^/]+)\//.exec(path)?.[1];
  const found = broken(({ from, to }) => {
    const target = featureOf(to);
    return (
      target !== undefined && target !== featureOf(from) && to !== `features/${target}/index.ts`
    );
  });
  assert.deepEqual(found, []);
});

test('only oidc knows oidc-provider, and only internals.ts its inside', () => {
  assert.deepEqual(
    broken(
      ({ from, to, isType }) =>
        /^oidc-provider(\/|$)/.test(to) &&
        !isWithin(from, 'oidc') &&
        !(isType && from === 'infrastructure.ts'),
    ),
    [],
  );
  assert.deepEqual(
    broken(({ from, to }) => to.startsWith('oidc-provider/') && from !== 'oidc/internals.ts'),
    [],
  );
});

test('only repositories, infra and the adapter use knex or pg beyond their types', () => {
  const mayQuery = (from: string): boolean =>
    isWithin(from, 'infra', 'oidc/adapter') || /repository[^/]*\.ts$/.test(from);
  const found = broken(
    ({ from, to, isType }) => (to === 'knex' || to === 'pg') && !isType && !mayQuery(from),
  );
  assert.deepEqual(found, []);
});

test('only app, web, kernel/http and oidc know koa', () => {
  const found = broken(
    ({ from, to }) =>
      /^(koa|@koa\/.*|koa-compose)$/.test(to) &&
      !isWithin(from, 'app.ts', 'web', 'kernel/http', 'oidc'),
  );
  assert.deepEqual(found, []);
});

test('only config.ts reads the environment', () => {
  const found = files
    .filter((file) => /process\.env\b|from 'node:process'/.test(readFileSync(file, 'utf8')))
    .map((file) => relative(ROOT, file));
  assert.deepEqual(found, ['config.ts']);
});

test('no two files import each other in a circle', () => {
  const edges = new Map<string, string[]>();
  for (const one of imports.filter((edge) => isOurs(edge) && !edge.isType)) {
    edges.set(one.from, [...(edges.get(one.from) ?? []), one.to]);
  }
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
    if (done.has(file) || path.includes(file)) return;
    for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of edges.keys()) visit(file, []);
  assert.deepEqual(circles, []);
});
