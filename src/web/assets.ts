import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Middleware } from 'koa';
import type { TenantService } from '../features/tenant/index.ts';
import { AppError } from '../kernel/errors.ts';
import { requestFacts } from '../kernel/http/index.ts';
import { type Asset, assets, brandStylesheet } from '../pages/index.ts';

const BASE = '/assets/';

/** Browsers ask for this address unbidden. */
const FAVICON = '/favicon.ico';
const BRAND = /^brand\/([0-9a-f-]{36})\.css$/;

/** A year: asset addresses carry a version, so that new bytes have a new address. */
const IMMUTABLE = 'public, max-age=31536000, immutable';

/** A tenant's colour may change under the same address. */
const BRAND_CACHE = 'public, max-age=300';

interface LoadedAsset {
  body: Buffer;
  contentType: string;
}

const read = ({ library, file }: Asset): Buffer =>
  Buffer.concat([library, file].filter((one) => one !== undefined).map((one) => readFileSync(one)));

/** Every asset in memory: together they are a few hundred kilobytes. */
function loadAssets(): Map<string, LoadedAsset> {
  return new Map(
    [...assets].map(([name, asset]) => [
      name,
      { body: read(asset), contentType: asset.contentType },
    ]),
  );
}

/** A version for asset addresses: it changes with the bytes of any asset. */
export function assetVersion(): string {
  const hash = createHash('sha256');
  for (const asset of assets.values()) hash.update(read(asset));
  return hash.digest('hex').slice(0, 10);
}

/** Serves /assets: stylesheet, fonts, marks, and each tenant's colour. */
export function assetRoutes({ tenants }: { tenants: Pick<TenantService, 'find'> }): Middleware {
  const files = loadAssets();
  return async (ctx, next) => {
    const path = ctx.path === FAVICON ? `${BASE}favicon.ico` : ctx.path;
    if (!path.startsWith(BASE)) return next();
    requestFacts(ctx.req).route = '/assets/*';
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD')
      throw new AppError('IDENT_METHOD_NOT_ALLOWED');
    const name = path.slice(BASE.length);
    const file = files.get(name);
    const tenantId = BRAND.exec(name)?.[1];
    if (file) {
      ctx.set('Cache-Control', IMMUTABLE);
      ctx.set('Content-Type', file.contentType);
      ctx.body = file.body;
      return;
    }
    const colour = tenantId ? (await tenants.find(tenantId))?.colour : null;
    if (!colour) throw new AppError('IDENT_NOT_FOUND');
    ctx.set('Cache-Control', BRAND_CACHE);
    ctx.set('Content-Type', 'text/css; charset=utf-8');
    ctx.body = brandStylesheet(colour);
  };
}
