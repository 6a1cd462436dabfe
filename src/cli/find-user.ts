import type { Profile, UserService } from '../features/user/index.ts';
import { CliError } from './errors.ts';

/** The user of a tenant by id, e-mail address, phone number or username. @throws CliError */
export async function findUser(
  users: UserService,
  tenantId: string,
  name: string,
): Promise<Profile> {
  const { isUuid } = await import('../kernel/ids.ts');
  const { parseIdentifier } = await import('../features/user/index.ts');
  const byId = isUuid(name) ? await users.find(tenantId, name) : undefined;
  if (byId) return byId;
  const identifier = parseIdentifier(name);
  const found = identifier ? await users.findByIdentifier(tenantId, identifier) : [];
  const home = found.find(({ isHome }) => isHome);
  const user = home && (await users.find(tenantId, home.id));
  if (user) return user;
  const [guest] = found;
  throw new CliError(`There is no user ${JSON.stringify(name)} in this tenant.`, {
    advice: guest
      ? `There is a guest of that name: use --tenant ${guest.tenantId}, its home.`
      : 'To see who there is: gatehouse users list --tenant <slug>',
  });
}
