import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { shape } from '../src/config-schema.ts';

/** docs/conformance.md and docs/standards.md name tests; this keeps what they say true. */

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const PAGE = readFileSync(`${ROOT}docs/conformance.md`, 'utf8');

interface Row {
  plan: string;
  module: string;
  cover: string;
}

/** The rows of every plan's table. */
function readRows(): Row[] {
  const rows: Row[] = [];
  for (const section of PAGE.split(/^## /m).slice(1)) {
    const plan = /`([\w-]+-test-plan)`/.exec(section.split('\n', 1)[0] ?? '')?.[1];
    if (plan === undefined) continue;
    for (const [, module = '', cover = ''] of section.matchAll(/^\| (.+?) \| (.+) \|$/gm)) {
      if (module !== 'Module') rows.push({ plan, module, cover });
    }
  }
  return rows;
}

const titlesByFile = new Map<string, Set<string>>();

/** The titles of a test file as the page writes them: … for what a test is repeated with. */
function titlesOf(file: string): Set<string> {
  const known = titlesByFile.get(file);
  if (known) return known;
  const source = readFileSync(ROOT + file, 'utf8');
  const titles = new Set<string>();
  for (const [, quote, text = ''] of source.matchAll(
    /\btest\(\s*(['"`])((?:\\.|(?!\1)[\s\S])*)\1/g,
  )) {
    const title = quote === '`' ? text.replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, '…') : text;
    titles.add(title.replace(/\\(.)/g, '$1'));
  }
  titlesByFile.set(file, titles);
  return titles;
}

const rows = readRows();
const isHonest = (cover: string): boolean =>
  /^(Not yet|Not supported|Other ecosystem): \S/.test(cover);
const isCited = (cover: string): boolean => cover.startsWith('`test/');

test('every plan that the page speaks of has a table, no module twice', () => {
  const plans = new Set(rows.map(({ plan }) => plan));
  assert.equal(plans.size, 9);
  for (const plan of plans) {
    const modules = rows.filter((row) => row.plan === plan && row.module !== 'every module');
    assert.equal(new Set(modules.map(({ module }) => module)).size, modules.length, plan);
    for (const { module } of modules) assert.match(module, /^`[\w-]+`$/);
  }
});

test('every module names a test, or says why there is none', () => {
  for (const { module, cover } of rows) {
    assert.ok(isCited(cover) || isHonest(cover), `${module}: ${cover}`);
  }
});

test('every file and title that the page names is in the repository', () => {
  for (const { module, cover } of rows.filter((row) => isCited(row.cover))) {
    for (const citation of cover.split('<br>')) {
      const [, file, title] = /^`(test\/[\w/.-]+\.test\.ts)` › (.+)$/.exec(citation) ?? [];
      assert.ok(file && title, `${module}: ${citation}`);
      assert.ok(titlesOf(file).has(title), `${file} has no test “${title}”`);
    }
  }
});

test('the counts at the top are those of the tables', () => {
  const counts = [...PAGE.matchAll(/^\| ([^|]+) \| (\d+) \| (\d+) \| (\d+) \|$/gm)];
  const headings = [...PAGE.matchAll(/^## (.+): `([\w-]+)`$/gm)];
  for (const [, label, plan] of headings) {
    const modules = rows.filter((row) => row.plan === plan && row.module !== 'every module');
    if (modules.length === 0) continue;
    const covered = modules.filter(({ cover }) => isCited(cover)).length;
    const others = modules.filter(({ cover }) => cover.startsWith('Other ecosystem')).length;
    const stated = counts.find(([, name]) => name === label);
    assert.deepEqual(
      stated?.slice(2).map(Number),
      [covered, modules.length - covered - others, others],
      label,
    );
  }
});

const STANDARDS = readFileSync(`${ROOT}docs/standards.md`, 'utf8');

test('every test and setting that the page of standards names is there', () => {
  const lines = STANDARDS.split('\n').filter((line) => /^\| .+ \|$/.test(line));
  const cells = lines.map((line) => line.split('|').slice(1, -1));
  const named = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
  let files = 0;
  for (const [specification = '', , , settings = '', tests = ''] of cells) {
    for (const name of named(tests)) {
      assert.ok(existsSync(`${ROOT}test/flows/${name}.test.ts`), `${specification}: ${name}`);
      files += 1;
    }
    for (const name of named(settings).filter((one) => /^[A-Z_]+$/.test(one))) {
      assert.ok(name in shape, `${specification}: ${name}`);
    }
  }
  assert.ok(files > 30);
});
