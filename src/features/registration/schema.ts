import { z } from 'zod';

/** Seconds that an initial access token lives unless said otherwise, and at most. */
export const DEFAULT_LIFETIME = 24 * 3_600;
export const LONGEST_LIFETIME = 366 * 24 * 3_600;

/** Clients that one token may register at most. */
export const MOST_USES = 10_000;

export const newInitialAccessToken = z.strictObject({
  tenantId: z.uuid(),
  /** What it is for, in the operator's words. */
  label: z.string().trim().min(1).max(200).optional(),
  /** Seconds. */
  expiresIn: z.int().min(60).max(LONGEST_LIFETIME).default(DEFAULT_LIFETIME),
  maxUses: z.int().min(1).max(MOST_USES).default(1),
});
export type NewInitialAccessToken = z.input<typeof newInitialAccessToken>;

/** A token without what opens: that is shown when it is made, and never again. */
export interface InitialAccessToken {
  id: string;
  tenantId: string;
  label: string | null;
  maxUses: number;
  uses: number;
  createdAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
}
