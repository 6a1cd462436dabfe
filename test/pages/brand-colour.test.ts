import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import {
  brandPalettes,
  brandStylesheet,
  contrast,
  GATEHOUSE_COLOUR,
  HARDEST_SURFACE,
} from '../../src/pages/brand-colour.ts';
import fc from '../helpers/fast-check.ts';

/** Custom properties of the light scheme and of the dark one, of both stylesheets with any. */
const [lightRoot = '', darkRoot = ''] = ['gatehouse.css', 'parts.css']
  .map((name) => readFileSync(new URL(`../../public/${name}`, import.meta.url), 'utf8'))
  .map((css) => Array.from(css.matchAll(/:root \{([^}]*)\}/g), (match) => match[1] ?? ''))
  .reduce((all, blocks) => all.map((block, index) => block + (blocks[index] ?? '')), ['', '']);

function property(block: string, name: string): string {
  return new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(block)?.[1] ?? `no --${name}`;
}

const colour = fc
  .integer({ min: 0, max: 0xffffff })
  .map((n) => `#${n.toString(16).padStart(6, '0')}`);
const surfaces = ['sky', 'ground', 'surface', 'raised'];

describe('brand colours', () => {
  it('keep text on them readable, hovered or not, in both schemes', () => {
    fc.assert(
      fc.property(colour, (value) => {
        for (const palette of Object.values(brandPalettes(value))) {
          assert.ok(contrast(palette.brand, palette.onBrand) >= 4.5);
          assert.ok(contrast(palette.hover, palette.onBrand) >= 4.5);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('are readable as text on every surface of the scheme', () => {
    fc.assert(
      fc.property(colour, (value) => {
        const { light, dark } = brandPalettes(value);
        for (const name of surfaces) {
          assert.ok(contrast(light.ink, property(lightRoot, name)) >= 4.5, `light ${name}`);
          assert.ok(contrast(dark.ink, property(darkRoot, name)) >= 4.5, `dark ${name}`);
          assert.ok(contrast(dark.brand, property(darkRoot, name)) >= 4.5, `dark fill on ${name}`);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('are used unchanged in the light scheme', () => {
    fc.assert(
      fc.property(colour, (value) => assert.equal(brandPalettes(value).light.brand, value)),
    );
  });

  it('become a stylesheet that sets custom properties and nothing else', () => {
    const set = '(?:--(?:brand|on-brand|brand-hover|brand-ink):#[0-9a-f]{6};?){4}';
    const shape = new RegExp(
      `^:root\\{${set}\\}\\n@media \\(prefers-color-scheme:dark\\)\\{:root\\{${set}\\}\\}\\n$`,
    );
    fc.assert(fc.property(colour, (value) => assert.match(brandStylesheet(value), shape)));
    assert.equal(brandStylesheet('#ABCDEF'), brandStylesheet('#abcdef'));
  });
});

describe('gatehouse.css', () => {
  it('carries what our own colour derives to', () => {
    const { light, dark } = brandPalettes(GATEHOUSE_COLOUR);
    for (const [block, palette] of [
      [lightRoot, light],
      [darkRoot, dark],
    ] as const) {
      assert.equal(property(block, 'brand'), palette.brand);
      assert.equal(property(block, 'on-brand'), palette.onBrand);
      assert.equal(property(block, 'brand-hover'), palette.hover);
      assert.equal(property(block, 'brand-ink'), palette.ink);
    }
    assert.equal(property(lightRoot, 'ground'), HARDEST_SURFACE.light);
    assert.equal(property(darkRoot, 'raised'), HARDEST_SURFACE.dark);
  });

  it('has readable text and visible field edges', () => {
    for (const block of [lightRoot, darkRoot]) {
      for (const name of surfaces) {
        for (const text of ['ink', 'muted']) {
          assert.ok(
            contrast(property(block, text), property(block, name)) >= 4.5,
            `${text} ${name}`,
          );
        }
      }
      for (const tone of ['good', 'warn', 'danger']) {
        for (const name of [`${tone}-soft`, 'surface', 'raised']) {
          const found = contrast(property(block, tone), property(block, name));
          assert.ok(found >= 4.5, `${tone} ${name}`);
        }
      }
      assert.ok(contrast(property(block, 'edge'), property(block, 'surface')) >= 3);
    }
  });
});
