import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fontHashes, fontName } from '../../src/pages/assets.ts';
import { assetPath, assets, createPages } from '../../src/pages/index.ts';
import { frame, landing, pages, provider, scenes, tenant } from './fixtures.ts';

const folder = new URL('../../public/', import.meta.url);

/** Names below /assets/ that a text refers to, without brand stylesheets. */
function referenced(text: string): string[] {
  return Array.from(text.matchAll(/\/assets\/([^"?)]+)/g), (match) => match[1] ?? '').filter(
    (name) => !name.startsWith('brand/'),
  );
}

describe('assets', () => {
  it('exist on disk under every public name', () => {
    for (const [name, asset] of assets) {
      assert.ok(existsSync(asset.file), name);
      assert.equal(assetPath(name), fileURLToPath(asset.file));
      assert.notEqual(asset.contentType, 'application/octet-stream', name);
    }
  });

  it('cover whatever pages and stylesheet refer to', () => {
    const css = [...assets.values()]
      .filter(({ file }) => file.pathname.endsWith('.css'))
      .map(({ file }) => readFileSync(file, 'utf8'));
    const html = scenes.flatMap((scene) => pages.locales.map((locale) => scene.html(locale)));
    for (const name of referenced([...css, ...html].join('\n'))) assert.ok(assets.has(name), name);
  });

  it('leave no public file unserved', () => {
    for (const name of readdirSync(folder)) assert.ok(assets.has(name), name);
  });

  it('serve nothing else', () => {
    for (const name of ['../package.json', 'gatehouse.css/', '', '__proto__', 'fonts/']) {
      assert.equal(assetPath(name), undefined, name);
    }
  });

  it('name each font after its bytes', () => {
    for (const [font, hash] of Object.entries(fontHashes)) {
      const bytes = readFileSync(assets.get(fontName(font))?.file ?? '');
      assert.equal(createHash('sha256').update(bytes).digest('hex').slice(0, 8), hash, font);
    }
  });

  it('carry the version in their address, safely', () => {
    const fresh = createPages({
      viewsDir: fileURLToPath(new URL('../../views', import.meta.url)),
      localesDir: fileURLToPath(new URL('../../locales', import.meta.url)),
      assetVersion: '1.2"&<',
      cache: false,
    });
    const html = fresh.render('landing', landing, frame('en', provider));
    assert.match(html, /href="\/assets\/gatehouse\.css\?v=1\.2%22%26%3C"/);
  });

  it('include a brand stylesheet only for a tenant that has a colour', () => {
    const link = (brand: typeof tenant): boolean =>
      pages.render('not-found', { homeUrl: '/' }, frame('en', brand)).includes('/assets/brand/');
    assert.ok(link(tenant));
    assert.ok(!link({ ...tenant, hasColour: false }));
    assert.ok(!link(provider));
    const odd = { ...tenant, tenantId: '../x?"' };
    assert.match(
      pages.render('not-found', { homeUrl: '/' }, frame('en', odd)),
      /\/assets\/brand\/\.\.%2Fx%3F%22\.css\?v=test/,
    );
  });
});
