import type { Knex } from 'knex';
import type { Clock } from '../../kernel/clock.ts';
import type { Emit } from '../../kernel/events.ts';
import type { User } from '../user/index.ts';
import { signInEvents } from './events.ts';

/** A person who has proved who they are, by whatever means. */
export interface SignedIn {
  user: User;
  /** Authentication methods (RFC 8176). */
  amr: string[];
  acr: string;
  /** Seconds since the epoch. */
  authTime: number;
}

/** How it was proved, and to which client. */
export interface Proof {
  /** Authentication methods (RFC 8176). */
  amr: string[];
  clientId: string | null;
}

interface AdmissionDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
}

/**
 * The one door that every successful sign-in goes through, whichever way the
 * person proved who they are: it records the sign-in and says what tokens may
 * claim of it. The caller has checked that the user may sign in.
 */
export const createAdmission =
  ({ knex, clock, emit }: AdmissionDeps) =>
  async (user: User, { amr, clientId }: Proof): Promise<SignedIn> => {
    await knex.transaction((trx) =>
      emit(
        trx,
        signInEvents.loggedIn,
        { subject: user.id, tenantId: user.tenantId, actorId: user.id },
        { userId: user.id, clientId, amr },
      ),
    );
    return {
      user,
      amr,
      acr: 'urn:gatehouse:acr:1fa',
      authTime: Math.floor(clock.now() / 1000),
    };
  };
