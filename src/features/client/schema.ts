import { z } from 'zod';

/** Registration metadata (RFC 7591 2, OpenID Connect Registration 2), as the engine takes it. */
export type ClientMetadata = { client_id: string } & Record<string, unknown>;

export const newClient = z.strictObject({
  tenantId: z.uuid(),
  clientId: z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'use 1 to 255 printable ASCII characters without spaces')
    .optional(),
  /** First-party clients belong to the operator and need no consent page. */
  isFirstParty: z.boolean().default(false),
  metadata: z.record(z.string(), z.unknown()),
});
export type NewClient = z.input<typeof newClient>;

export interface StoredClient {
  clientId: string;
  tenantId: string;
  isFirstParty: boolean;
  metadata: ClientMetadata;
  /** SHA-256 of the secret, for methods that only compare it. */
  secretHash: Buffer | null;
  isDisabled: boolean;
  createdAt: Date;
}
