/** Topic exchanges of RabbitMQ: of sessions, and of users, their credentials and all else. */
export const EXCHANGES = ['identity_events', 'session_manager'] as const;

/** The exchange that events of this type go to; the routing key is the type. */
export const exchangeOf = (type: string): (typeof EXCHANGES)[number] =>
  type.startsWith('identity.session.') ? 'session_manager' : 'identity_events';
