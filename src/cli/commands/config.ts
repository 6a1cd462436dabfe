import type { AddCommands } from '../command.ts';
import { setAction } from '../command.ts';
import { table } from '../output.ts';

/** `gatehouse config` and `gatehouse config check` */
export const addConfig: AddCommands = (program, setExitCode) => {
  const config = program
    .command('config')
    .description('print the effective settings and where each comes from; secrets masked');
  setAction(config, setExitCode, async (context) => {
    const { CONFIG_DOCS, configSources, describeConfig } = await import('../../config.ts');
    const values = describeConfig(context.config);
    const sources = configSources();
    const settings = CONFIG_DOCS.map(({ name, secret }) => ({
      name,
      value: values[name] || null,
      source: sources[name] ?? 'default',
      secret,
    }));
    const rows = settings.map(({ name, value, source }) => [name, value, source]);
    return { json: { settings }, text: table(['NAME', 'VALUE', 'FROM'], rows) };
  });

  const check = config.command('check').description('say whether the settings are valid');
  setAction(check, setExitCode, async (context) => {
    const { NODE_ENV, ISSUER } = context.config;
    const text = `The configuration is valid (${NODE_ENV}, issuer ${ISSUER}).`;
    return { json: { valid: true, environment: NODE_ENV, issuer: ISSUER }, text };
  });
};
