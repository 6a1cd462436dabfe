/** Who acts in a request, as far as every feature needs to know. */
interface ActorBase {
  /** The acting tenant (`tid`); null for the platform itself. */
  tenantId: string | null;
  /** What the credential allows (RFC 6749 3.3). */
  scopes: ReadonlySet<string>;
}

/** A person, by way of an access token. */
export interface UserActor extends ActorBase {
  kind: 'user';
  userId: string;
  /** The tenant that the user's row lies in, whichever the token acts in. */
  homeTenantId: string;
  /** Every tenant that the user belongs to (`tids`). */
  tenantIds: readonly string[];
  /** The client that the token was issued to. */
  clientId: string;
  /** Whether that client is the operator's own: others act for the person within their scopes only. */
  isFirstParty: boolean;
  sessionId: string | null;
  amr: readonly string[];
  acr: string | null;
  /** When the person last authenticated, seconds since the epoch. */
  authTime: number | null;
}

/** A machine: a service account, an API key or a sister service. */
export interface ClientActor extends ActorBase {
  kind: 'client';
  clientId: string;
  via: 'token' | 'api-key' | 'basic';
}

export type Actor = UserActor | ClientActor;

export type CredentialScheme = 'bearer' | 'dpop' | 'basic' | 'api-key';

/**
 * Who may call a route: nobody in particular, a person, a machine, either of
 * them (`caller`), or sister services inside the platform (`internal`).
 */
export type AuthKind = 'none' | 'user' | 'client' | 'caller' | 'internal';

interface AuthPolicy {
  /** Schemes a credential may come in; each is an alternative in OpenAPI. */
  schemes: readonly CredentialScheme[];
  actors: readonly Actor['kind'][];
}

/** The one table of what each kind of authentication accepts. */
export const AUTH: Readonly<Record<AuthKind, AuthPolicy>> = {
  none: { schemes: [], actors: [] },
  user: { schemes: ['bearer', 'dpop'], actors: ['user'] },
  client: { schemes: ['bearer', 'dpop', 'api-key'], actors: ['client'] },
  caller: { schemes: ['bearer', 'dpop', 'api-key'], actors: ['user', 'client'] },
  internal: { schemes: ['bearer', 'dpop', 'basic'], actors: ['client'] },
};

/** The actor that the handler of a route with this kind of authentication is given. */
export type ActorOf<A extends AuthKind> = A extends 'none'
  ? null
  : A extends 'user'
    ? UserActor
    : A extends 'caller'
      ? Actor
      : ClientActor;
