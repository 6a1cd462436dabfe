import { errors, Provider } from 'oidc-provider';

/** Seconds within which a second use is taken for the same client's, sent twice. */
const CONCURRENT = 10;

interface Polled {
  consumed?: number | undefined;
}

/** Members of the engine's models that their types leave out. */
interface PatchableModel {
  find(id: string, options?: object): Promise<Polled | undefined>;
}

/**
 * Upstream revokes the grant of a device code or CIBA request that it finds
 * used, while the request that used it may still be waiting for its tokens: of
 * polls in parallel none would succeed then. A client that polls repeats itself
 * where the network is bad. So a second use right after the first is refused and
 * no more; one that comes later still ends the grant.
 */
export function patchPolledCodes(provider: Provider): void {
  for (const model of [provider.DeviceCode, provider.BackchannelAuthenticationRequest]) {
    const patchable = model as unknown as PatchableModel;
    const { find } = patchable;
    patchable.find = async function findUnused(id, options) {
      const found = await find.call(this, id, options);
      const consumed = Provider.ctx?.oidc.route === 'token' ? found?.consumed : undefined;
      if (consumed !== undefined && Date.now() / 1000 - consumed < CONCURRENT) {
        throw new errors.InvalidGrant('the code was used before');
      }
      return found;
    };
  }
}
