/** Seconds that a session lives without use, and in all. */
export interface SessionLimits {
  idle: number;
  absolute: number;
}

/** Names of the statement's parameters, such as `$1`. */
type TouchParameters = Record<
  'id' | 'now' | 'idle' | 'absolute' | 'clientIp' | 'userAgent',
  string
>;

/**
 * The SQL by which a use prolongs a session that no browser holds, as a visit to
 * the hosted pages prolongs theirs: part of the statement that makes its use, so
 * that it costs no round trip and a session that has ended is not used. Returns a
 * row where the session is alive. Times are those of the caller's clock.
 */
export function touchSession({
  id,
  now,
  idle,
  absolute,
  clientIp,
  userAgent,
}: TouchParameters): string {
  const until = `LEAST(${now}::timestamptz + make_interval(secs => ${idle}::int),
    to_timestamp((payload ->> 'loginTs')::bigint + ${absolute}::int))`;
  // The engine reads `exp` in its payload, which of these sessions has nothing that jsonb refuses.
  return `UPDATE sessions SET last_seen_at = ${now}::timestamptz, expires_at = ${until},
    payload = (payload::jsonb || jsonb_build_object('exp', extract(epoch FROM ${until})::bigint))::json,
    client_ip = COALESCE(${clientIp}, client_ip), user_agent = COALESCE(${userAgent}, user_agent)
    WHERE id = ${id}::uuid AND ended_at IS NULL AND expires_at > ${now}::timestamptz RETURNING 1`;
}
