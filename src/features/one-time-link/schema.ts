/** What a link is for; a link of one purpose opens nothing of another. */
export type LinkPurpose = string;

export interface NewLink {
  /** Lower-case letters and `-`, such as `verify-email`. */
  purpose: LinkPurpose;
  /** Null makes a link that opens nothing, by the same work. */
  userId: string | null;
  /** The home tenant of the user. */
  tenantId: string | null;
  /** What the link stands for; no secrets, and no more of a person than needed. */
  data?: Record<string, unknown>;
  /** Milliseconds, at most 24 hours. */
  ttl: number;
  /**
   * The same seed, such as the id of an event, makes the same link again: for
   * work that may run twice. Its life counts from the first time.
   */
  seed?: string;
}

/** What a link stands for. */
export interface OpenedLink {
  userId: string;
  tenantId: string;
  data: Record<string, unknown>;
}
