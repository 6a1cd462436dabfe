/** A logout that a client is owed (OpenID Connect Back-Channel Logout 1.0). */
export interface Logout {
  id: string;
  /** Also the `sid` by which the client knows the session. */
  sessionId: string;
  clientId: string;
  /** Whom it logs out; what the client calls that person, the sender works out. */
  userId: string;
  /** Tries so far, the present one included. */
  attempts: number;
}

/** Why a try did not succeed. */
export type LogoutFailure =
  /** The client is disabled or deleted, or wants no logouts any more. */
  | 'no_receiver'
  /** The address leads where requests of ours must not go. */
  | 'address_refused'
  /** No token could be made as the client wants it. */
  | 'token'
  | 'timeout'
  | 'unreachable'
  /** It answered with a status other than 200 and 204. */
  | 'status'
  /** Something of ours failed. */
  | 'internal';

/** What came of one try. */
export type LogoutAnswer =
  | { isDelivered: true; status: number }
  | {
      isDelivered: false;
      failure: LogoutFailure;
      status?: number;
      /** Whether another try would meet the same end. */
      isPermanent: boolean;
      /** For the log. */
      cause?: unknown;
    };

/** Tells a client once; never throws for what the client does. */
export type SendLogout = (logout: Logout) => Promise<LogoutAnswer>;

/** What came of a try, for metrics. */
export type LogoutResult = 'delivered' | 'retried' | 'failed';
