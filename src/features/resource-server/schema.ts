import { z } from 'zod';
import { LONGEST_TOKEN_TTL, SHORTEST_TTL } from '../../kernel/lifetimes.ts';

/** Most scopes of one resource server. */
const MOST_SCOPES = 200;

const LONGEST_AUDIENCE = 512;

/** Scopes with a meaning of their own: of OpenID Connect, and of the platform's API. */
const RESERVED = /^(openid|offline_access|profile|email|phone|address|tenant:.*)$/;

/** An absolute URI without a fragment (RFC 8707 2), of printable ASCII. */
function isAudience(value: string): boolean {
  return (
    /^[\x21\x24-\x7e]+$/.test(value) && /^[a-z][a-z0-9+.-]*:./i.test(value) && URL.canParse(value)
  );
}

export const audience = z
  .string()
  .max(LONGEST_AUDIENCE)
  .refine(isAudience, 'must be an absolute URI without a fragment, such as https://api.example');

const words = z.string().trim().min(1).max(500);

export const scope = z.strictObject({
  /** A scope token (RFC 6749 3.3). */
  name: z
    .string()
    .regex(
      /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/,
      'use 1 to 128 printable ASCII characters, no spaces',
    )
    .refine((name) => !RESERVED.test(name), 'is reserved'),
  /** What it allows, as the consent page says it: for all languages, or for each. */
  description: z.union([words, z.partialRecord(z.enum(['en', 'vi']), words)]).optional(),
});

const scopes = z
  .array(scope)
  .max(MOST_SCOPES)
  .refine(
    (list) => new Set(list.map(({ name }) => name)).size === list.length,
    'must not name a scope twice',
  );

const settings = {
  name: z.string().trim().min(1).max(200),
  scopes,
  /** Seconds; null: what the deployment says. */
  accessTokenTtl: z.int().min(SHORTEST_TTL).max(LONGEST_TOKEN_TTL).nullable(),
  /** null: what the deployment says. */
  signingAlg: z.enum(['RS256', 'ES256', 'EdDSA']).nullable(),
  format: z.enum(['jwt', 'opaque']),
};

const which = { tenantId: z.uuid(), audience: z.string().max(LONGEST_AUDIENCE) };

/** A resource server that is named with its tenant. */
export type ResourceServerName = { tenantId: string; audience: string };

export const newResourceServer = z.strictObject({
  tenantId: z.uuid(),
  audience,
  name: settings.name,
  scopes: settings.scopes.default([]),
  accessTokenTtl: settings.accessTokenTtl.default(null),
  signingAlg: settings.signingAlg.default(null),
  format: settings.format.default('jwt'),
});
export type NewResourceServer = z.input<typeof newResourceServer>;

export const resourceServerUpdate = z.strictObject({
  ...which,
  ...z.object(settings).partial().shape,
  isDisabled: z.boolean().optional(),
  /** The version that the change was made for; any, if left out. */
  version: z.int().optional(),
});
export type ResourceServerUpdate = z.input<typeof resourceServerUpdate>;

export type ResourceScope = z.output<typeof scope>;

export interface ResourceServer {
  audience: string;
  tenantId: string;
  name: string;
  scopes: ResourceScope[];
  /** Seconds; null: what the deployment says. */
  accessTokenTtl: number | null;
  signingAlg: 'RS256' | 'ES256' | 'EdDSA' | null;
  format: 'jwt' | 'opaque';
  /** Whether it is the platform's: then clients of every tenant may ask for it. */
  isShared: boolean;
  isDisabled: boolean;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** What a scope allows, in this language if there are words in it; null without any. */
export function scopeDescription({ description }: ResourceScope, locale: string): string | null {
  if (description === undefined || typeof description === 'string') return description ?? null;
  const inLanguage = (description as Record<string, string | undefined>)[locale];
  return inLanguage ?? description.en ?? Object.values(description)[0] ?? null;
}
