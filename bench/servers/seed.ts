/** Makes the tenant, people and clients of the benchmark in a migrated database; prints them. */
import { parseConfig } from '../../src/config.ts';
import { createDeps } from '../../src/deps.ts';
import { CLIENTS, clientMetadata, PASSWORD, PEOPLE, type World } from '../lib/world.ts';

const deps = await createDeps(parseConfig(process.env));
await deps.tenants.ensurePlatform();
const tenant = await deps.tenants.create({ slug: 'bench', name: 'Bench' });

async function addPerson(name: string) {
  const email = `${name}@bench.example`;
  const { id } = await deps.users.create(
    { tenantId: tenant.id, email, name, emailVerified: true },
    PASSWORD,
  );
  return { id, email };
}

const world: World = {
  clients: [],
  people: [],
  suspended: [],
  closed: await addPerson('closed'),
  tenantId: tenant.id,
};
for (let index = 0; index < CLIENTS; index += 1) {
  const { client, clientSecret } = await deps.clients.create({
    tenantId: tenant.id,
    isFirstParty: true,
    metadata: clientMetadata(index),
  });
  world.clients.push({ clientId: client.clientId, clientSecret: clientSecret ?? '' });
}
for (let index = 0; index < PEOPLE; index += 1) {
  world.people.push(await addPerson(`person${index}`));
  const person = await addPerson(`suspended${index}`);
  await deps.lifecycle.suspend({ tenantId: tenant.id, userId: person.id });
  world.suspended.push(person);
}
await deps.close();
process.stdout.write(JSON.stringify(world));
