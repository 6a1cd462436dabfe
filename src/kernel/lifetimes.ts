/** Seconds that no token of a client or resource may live less than. */
export const SHORTEST_TTL = 30;

/** Seconds that an access or ID token of any client or resource lives at most. */
export const LONGEST_TOKEN_TTL = 24 * 3_600;

/** Seconds that the refresh tokens of any client live at most, from the first to the last. */
export const LONGEST_REFRESH_TTL = 90 * 24 * 3_600;

/**
 * Seconds that an access token of this deployment lives at most, whatever its
 * client or resource asks for: so long a revocation must be remembered, and the
 * key that signed it published.
 */
export const longestAccessToken = (config: {
  ACCESS_TOKEN_TTL: number;
  SERVICE_TOKEN_TTL: number;
}): number => Math.max(config.ACCESS_TOKEN_TTL, config.SERVICE_TOKEN_TTL, LONGEST_TOKEN_TTL);
