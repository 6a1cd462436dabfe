import { z } from 'zod';

/** Registration metadata (RFC 7591 2, OpenID Connect Registration 2), as the engine takes it. */
export type ClientMetadata = { client_id: string } & Record<string, unknown>;

/** Seconds that the old secret opens beside the new one, unless said otherwise. */
export const SECRET_OVERLAP = 24 * 3_600;

/** Seconds that two secrets may open at once, at most. */
export const LONGEST_SECRET_OVERLAP = 30 * 24 * 3_600;

/** Largest metadata of one client, in characters of JSON. */
export const LARGEST_METADATA = 65_536;

const metadata = z
  .record(z.string().max(255), z.unknown())
  .refine((value) => JSON.stringify(value).length <= LARGEST_METADATA, 'is too large');

export const newClient = z.strictObject({
  tenantId: z.uuid(),
  clientId: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'use 1 to 255 printable ASCII characters without spaces')
    .optional(),
  /** First-party clients belong to the operator and need no consent page. */
  isFirstParty: z.boolean().default(false),
  metadata,
});
export type NewClient = z.input<typeof newClient>;

/** Which client: of this tenant, and no other. */
const which = { tenantId: z.uuid(), clientId: z.string().min(1).max(255) };

/** A client that is named with its tenant. */
export type ClientName = { tenantId: string; clientId: string };

export const clientUpdate = z.strictObject({
  ...which,
  /** Members to set; null takes one away (RFC 7396). */
  metadata: metadata.default({}),
  /** Whether `metadata` is all that there shall be (RFC 7592 2.2), and not changes to it. */
  isReplacement: z.boolean().default(false),
  isFirstParty: z.boolean().optional(),
  /** The version that the change was made for; any, if left out. */
  version: z.int().optional(),
});
export type ClientUpdate = z.input<typeof clientUpdate>;

export const secretRotation = z.strictObject({
  ...which,
  /** Seconds that the present secret opens yet; 0 ends it at once. */
  overlap: z.int().min(0).max(LONGEST_SECRET_OVERLAP).default(SECRET_OVERLAP),
});
export type SecretRotation = z.input<typeof secretRotation>;

/** A client for those who administer it: nothing that opens or tells a secret. */
export interface ClientDetails {
  clientId: string;
  tenantId: string;
  isFirstParty: boolean;
  metadata: ClientMetadata;
  isDisabled: boolean;
  /** Grows with every change. */
  version: number;
  /** Until when the secret before the present one opens; null when there is none. */
  previousSecretExpiresAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
  /** When it registered itself (RFC 7591); null for one that an operator has made. */
  selfRegisteredAt: Date | null;
  /** When a client that registered itself was first given a token. */
  firstTokenAt: Date | null;
}

/** A client for the engine. */
export interface StoredClient extends ClientDetails {
  /** SHA-256 of each secret that opens, the present one first; for methods that only compare. */
  secretHashes: readonly Buffer[];
  /** The secret before the present one, where it is a key (HS*) and opens yet. */
  previousSecret: string | null;
}
