import type { Command } from 'commander';
import type { TenantSettings } from '../../features/tenant/index.ts';
import { setAction } from '../command.ts';
import { CliError, EXIT } from '../errors.ts';
import { details } from '../output.ts';
import { parseAssignment } from '../parse-value.ts';

const words = (settings: Partial<TenantSettings>): string =>
  details(
    Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [
        name,
        typeof value === 'object' ? JSON.stringify(value) : value,
      ]),
    ),
  );

/** @throws CliError naming the settings that there are */
function assertKnown(settings: TenantSettings, names: readonly string[]): void {
  const unknown = names.filter((name) => !Object.hasOwn(settings, name));
  if (unknown.length === 0) return;
  throw new CliError(`There is no setting ${unknown.join(', ')}.`, {
    advice: `Settings are: ${Object.keys(settings).join(', ')}`,
    exitCode: EXIT.usage,
  });
}

/** `gatehouse tenants settings get|set` */
export function addTenantSettings(tenants: Command, setExitCode: (code: number) => void): void {
  const group = tenants.command('settings').description('what a tenant decides for itself');

  const get = group
    .command('get')
    .description('show the settings of a tenant, those by default too')
    .argument('<tenant>', 'short name or id')
    .argument('[name]', 'only this one');
  setAction(get, setExitCode, async (context, _options, [slug = '', name]) => {
    const { settings } = await context.tenant(slug);
    if (name === undefined) return { json: { settings }, text: words(settings) };
    assertKnown(settings, [name]);
    const one = Object.fromEntries(Object.entries(settings).filter(([key]) => key === name));
    return { json: { settings: one }, text: words(one) };
  });

  const set = group
    .command('set')
    .description('change settings of a tenant; null goes back to the default')
    .argument('<tenant>', 'short name or id')
    .argument('<name=value...>', 'JSON or text; @file reads the value from a file');
  setAction(set, setExitCode, async (context, _options, [slug = '', given]) => {
    const texts = [given ?? ''].flat() as string[];
    const patch = Object.fromEntries(await Promise.all(texts.map(parseAssignment)));
    const { id, settings } = await context.tenant(slug);
    assertKnown(settings, Object.keys(patch));
    const { settings: after } = await (await context.tenants()).updateSettings(id, patch);
    return { json: { settings: after }, text: words(after) };
  });
}
