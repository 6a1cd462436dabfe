import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/**
 * The device authorization grant (RFC 8628). User codes are eight letters
 * without vowels: 34 bits, and no words. How often they can be guessed is
 * bounded in device-guesses.ts, how fast clients poll in poll-pace.ts.
 */
export const deviceFlow = ({ pages }: ProviderDeps) =>
  ({
    deviceFlow: {
      enabled: true,
      charset: 'base-20',
      mask: '****-****',
      deviceInfo: pages.deviceInfo,
      userCodeInputSource: pages.userCodeInputSource,
      userCodeConfirmSource: pages.userCodeConfirmSource,
      successSource: pages.successSource,
    },
  }) satisfies Features;
