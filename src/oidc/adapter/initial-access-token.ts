import type { InitialAccessTokenService } from '../../features/registration/index.ts';
import { type ModelAdapter, unsupported } from './model-adapter.ts';

const refuse = (action: string) => async (): Promise<never> => {
  throw new TypeError(`initial access tokens are ${action} by their feature, not by the engine`);
};

/**
 * Initial access tokens (RFC 7591 3). The engine only asks whether one is alive;
 * it is used up where the client is saved, in the same transaction.
 */
export const createInitialAccessTokenAdapter = (
  tokens: Pick<InitialAccessTokenService, 'find'>,
): ModelAdapter => ({
  ...unsupported('InitialAccessToken'),
  async find(id) {
    const token = await tokens.find(id);
    return (
      token && {
        kind: 'InitialAccessToken',
        jti: id,
        iat: Math.floor(token.createdAt.getTime() / 1000),
        exp: Math.floor(token.expiresAt.getTime() / 1000),
      }
    );
  },
  upsert: refuse('made'),
  destroy: refuse('ended'),
});
