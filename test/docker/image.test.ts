import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, relative, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string): string => readFileSync(resolve(ROOT, path), 'utf8');

const dockerfile = read('docker/Dockerfile').replaceAll(/\\\n/g, ' ').split('\n');

/** What the Dockerfile takes from the repository. */
const copied = dockerfile
  .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
  .flatMap((line) => line.split(/\s+/).slice(1, -1))
  .filter((word) => !word.startsWith('--'));

/** Folders and files of the repository that the image holds, relative to its root. */
const isInImage = (path: string): boolean =>
  copied.some((source) => path === source || path.startsWith(`${source}/`));

interface Import {
  file: string;
  specifier: string;
}

/** What the source files below a folder import when they run; `import type` is gone by then. */
function findImports(folder: string): Import[] {
  const pattern =
    /(?:^|\n)(?:import|export) (?!type )(?:[^'";]*? from )?'([^']+)'|import\('([^']+)'\)|import\.meta\.resolve\('([^']+)'\)/g;
  return readdirSync(resolve(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .flatMap((name) => {
      const file = `${folder}/${name}`;
      return [...read(file).matchAll(pattern)].map((match) => ({
        file,
        specifier: match[1] ?? match[2] ?? match[3] ?? '',
      }));
    });
}

const imports = [...findImports('src'), ...findImports('migrations')];

const packageName = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

describe('the container image', () => {
  test('everything that it copies exists and is let through by .dockerignore', () => {
    assert.ok(copied.length > 5);
    const allowed = new Set(
      read('.dockerignore')
        .split('\n')
        .filter((line) => line.startsWith('!'))
        .map((line) => line.slice(1)),
    );
    for (const source of copied) {
      assert.ok(existsSync(resolve(ROOT, source)), `${source} does not exist`);
      assert.ok(allowed.has(source), `${source} is kept out by .dockerignore`);
    }
    assert.deepEqual([...allowed].sort(), [...new Set(copied)].sort());
  });

  test('no secret, test or example can get into it', () => {
    const [first] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    assert.equal(first, '*');
    for (const path of ['.env', '.data/key', 'docker/secrets/x', 'seeds/demo.ts', 'test/x.ts']) {
      assert.equal(isInImage(path), false, path);
    }
  });

  test('every file that the program imports is in it', () => {
    assert.ok(imports.length > 50);
    for (const { file, specifier } of imports) {
      if (!specifier.startsWith('.')) continue;
      const target = relative(ROOT, resolve(ROOT, dirname(file), specifier));
      // Demo accounts must not be there (ASVS 6.3.2); the command that makes them says so.
      if (file.endsWith('cli/commands/seed.ts') && target === 'seeds/demo.ts') continue;
      assert.ok(isInImage(target), `${file} imports ${target}, which the image lacks`);
    }
  });

  test('every package that the program imports is in it', () => {
    const lock = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { dev?: boolean; devOptional?: boolean }>;
    };
    for (const { file, specifier } of imports) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
      const entry = lock.packages[`node_modules/${packageName(specifier)}`];
      assert.ok(entry && !entry.dev, `${file} imports ${specifier}, which is not for production`);
    }
  });

  test('it runs as a user that is not root, and hands SIGTERM to the program itself', () => {
    assert.ok(dockerfile.includes('USER 1000:1000'));
    assert.ok(dockerfile.includes('STOPSIGNAL SIGTERM'));
    assert.ok(dockerfile.includes('ENTRYPOINT ["node", "/app/src/main.ts"]'));
  });

  test('its command line is a program', () => {
    accessSync(resolve(ROOT, 'docker/gatehouse'), constants.X_OK);
    assert.match(
      read('docker/gatehouse'),
      /^#!\/bin\/sh\n[\s\S]*exec node \/app\/src\/cli\.ts "\$@"\n$/,
    );
  });
});

describe('the health check of the image', () => {
  const run = promisify(execFile);

  /** @returns the exit code */
  async function check(env: Record<string, string>): Promise<number> {
    try {
      await run(process.execPath, [resolve(ROOT, 'docker/healthcheck.mjs')], { env });
      return 0;
    } catch (error) {
      return (error as { code: number }).code;
    }
  }

  test('it passes while the process answers, and fails when it does not', async () => {
    let status = 200;
    const paths: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url);
      response.writeHead(status).end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const PORT = String((server.address() as AddressInfo).port);
    assert.equal(await check({ PORT }), 0);
    assert.equal(await check({ PORT, HOST: '127.0.0.1', RUN_MODE: 'api' }), 0);
    status = 503;
    assert.equal(await check({ PORT }), 1);
    server.close().closeAllConnections();
    assert.equal(await check({ PORT }), 1);
    assert.deepEqual(new Set(paths), new Set(['/health/live']));
  });

  test('it asks nothing of a process that listens nowhere', async () => {
    for (const RUN_MODE of ['worker', 'migrate'])
      assert.equal(await check({ RUN_MODE, PORT: '1' }), 0);
  });
});
