import type { Tenant } from '../../features/tenant/index.ts';
import type { AddCommands } from '../command.ts';
import { setAction } from '../command.ts';
import { details, table } from '../output.ts';
import { addTenantSettings } from './tenant-settings.ts';

interface CreateOptions {
  name: string;
  colour?: string;
  logoUrl?: string;
  locale?: string;
}

const fields = (tenant: Tenant) => ({
  id: tenant.id,
  slug: tenant.slug,
  name: tenant.name,
  platform: tenant.isPlatform,
  colour: tenant.colour,
  logo: tenant.logoUrl,
  locale: tenant.locale,
});

/** `gatehouse tenants create|list|settings` */
export const addTenants: AddCommands = (program, setExitCode) => {
  const tenants = program
    .command('tenants')
    .description('organisations that own users and clients');

  const list = tenants.command('list').description('list all tenants');
  setAction(list, setExitCode, async (context) => {
    const found = await (await context.tenants()).list();
    const rows = found.map(({ slug, name, locale, id }) => [slug, name, locale, id]);
    return { json: { tenants: found }, text: table(['SLUG', 'NAME', 'LOCALE', 'ID'], rows) };
  });

  const create = tenants
    .command('create')
    .description('make a tenant')
    .argument('<slug>', 'its short name: lower-case letters, digits and hyphens')
    .requiredOption('--name <name>', 'its name as people see it')
    .option('--colour <colour>', 'the accent of its pages, as #rrggbb')
    .option('--logo-url <url>', 'an https address')
    .option('--locale <locale>', 'en or vi');
  setAction<CreateOptions>(create, setExitCode, async (context, options, [slug = '']) => {
    const { name, colour, logoUrl, locale } = options;
    const tenant = await (await context.tenants()).create({
      slug,
      name,
      ...(colour === undefined ? {} : { colour: colour.toLowerCase() }),
      ...(logoUrl === undefined ? {} : { logoUrl }),
      // The schema refuses what is no locale of ours.
      ...(locale === undefined ? {} : { locale: locale as 'en' | 'vi' }),
    });
    return { json: { tenant }, text: details(fields(tenant)) };
  });
  addTenantSettings(tenants, setExitCode);
};
