/** Makes the migrated template database that test files clone. Run once before the tests. */
import { migrateDatabase } from '../../src/infra/migrations.ts';
import { databaseUrl, onServer, TEMPLATE } from './database.ts';

await onServer(`DROP DATABASE IF EXISTS ${TEMPLATE} WITH (FORCE)`);
await onServer(`CREATE DATABASE ${TEMPLATE}`);
await migrateDatabase(databaseUrl(TEMPLATE));
