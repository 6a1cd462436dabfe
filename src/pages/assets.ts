import { fileURLToPath } from 'node:url';

/** A file the pages load from `/assets/<name>`. */
export interface Asset {
  file: URL;
  /** What stands before it in the same answer: the library that a script of ours calls. */
  library?: URL;
  contentType: string;
}

const publicFolder = new URL('../../public/', import.meta.url);
const fontPackage = import.meta.resolve('@fontsource/be-vietnam-pro/package.json');

/** A bundle for browsers; the package exports its modules only. */
const webAuthnBundle = new URL(
  '../dist/bundle/index.umd.min.js',
  import.meta.resolve('@simplewebauthn/browser'),
);

const TYPES: Record<string, string> = {
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  ico: 'image/x-icon',
  woff2: 'font/woff2',
};

const FILES = [
  'gatehouse.css',
  'parts.css',
  'account.css',
  'landing.css',
  'dev.css',
  'continue.js',
  'mark.svg',
  'favicon.svg',
  'favicon.ico',
  'apple-touch-icon.png',
];

/**
 * The fonts in use, by the first digits of their SHA-256. The hash is part of the public name:
 * stylesheets can then name a font that is cached for ever, and a test notices new bytes.
 */
export const fontHashes: Readonly<Record<string, string>> = {
  'latin-400': '03d1b589',
  'latin-600': '9503dec2',
  'latin-ext-400': 'f7a2811e',
  'latin-ext-600': '20cc75da',
  'vietnamese-400': 'dc085e2f',
  'vietnamese-600': '97658c6f',
};

/** Public name of a font, below `/assets/`. */
export function fontName(font: string): string {
  return `fonts/be-vietnam-pro-${font}.${fontHashes[font] ?? 'unknown'}.woff2`;
}

function describe(file: URL): Asset {
  const extension = file.pathname.slice(file.pathname.lastIndexOf('.') + 1);
  return { file, contentType: TYPES[extension] ?? 'application/octet-stream' };
}

/** Every asset by its public name; whatever is not in here does not exist. */
export const assets: ReadonlyMap<string, Asset> = new Map([
  ...FILES.map((name): [string, Asset] => [name, describe(new URL(name, publicFolder))]),
  ['passkeys.js', { ...describe(new URL('passkeys.js', publicFolder)), library: webAuthnBundle }],
  ...Object.keys(fontHashes).map((font): [string, Asset] => [
    fontName(font),
    describe(new URL(`files/be-vietnam-pro-${font}-normal.woff2`, fontPackage)),
  ]),
]);

/** The path on disk of an asset, or undefined for a name that is not one. */
export function assetPath(name: string): string | undefined {
  const asset = assets.get(name);
  return asset && fileURLToPath(asset.file);
}
