import type { InitialAccessToken } from '../../features/registration/index.ts';
import { type AddCommands, setAction } from '../command.ts';
import { CliError } from '../errors.ts';
import { details, table } from '../output.ts';

interface CreateOptions {
  tenant: string;
  label?: string;
  expires: string;
  maxUses: string;
}

const SECONDS = { m: 60, h: 3_600, d: 24 * 3_600 };

/** A length of time such as `12h` in seconds. @throws CliError */
function toSeconds(text: string): number {
  const [, amount, unit] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  if (amount !== undefined) return Number(amount) * SECONDS[unit as keyof typeof SECONDS];
  throw new CliError(`${JSON.stringify(text)} is no length of time.`, {
    advice: 'Write it as 30m, 12h or 7d.',
  });
}

const state = (token: InitialAccessToken): string => {
  if (token.revokedAt) return 'revoked';
  if (token.uses >= token.maxUses) return 'used up';
  return token.expiresAt.getTime() > Date.now() ? 'live' : 'expired';
};

const toRow = (token: InitialAccessToken): string[] => [
  token.id,
  state(token),
  `${token.uses}/${token.maxUses}`,
  token.expiresAt.toISOString(),
  token.label ?? '',
];

/** `gatehouse initial-access-tokens create|list|revoke` */
export const addInitialAccessTokens: AddCommands = (program, setExitCode) => {
  const tokens = program
    .command('initial-access-tokens')
    .description('who may register clients by themselves (RFC 7591)');

  const create = tokens
    .command('create')
    .description('make a token; it is shown once')
    .requiredOption('--tenant <tenant>', 'whose the clients will be: slug or id')
    .option('--expires <time>', 'how long it can be used: 30m, 12h, 7d', '24h')
    .option('--max-uses <number>', 'how many clients it registers', '1')
    .option('--label <label>', 'what it is for');
  setAction<CreateOptions>(create, setExitCode, async (context, options) => {
    const tenant = await context.tenant(options.tenant);
    const made = await (await context.initialAccessTokens()).create({
      tenantId: tenant.id,
      expiresIn: toSeconds(options.expires),
      maxUses: Number(options.maxUses),
      ...(options.label === undefined ? {} : { label: options.label }),
    });
    const { id, expiresAt, maxUses } = made.details;
    const shown = { id, tenant: tenant.slug, expires: expiresAt.toISOString(), uses: maxUses };
    return {
      json: { initialAccessToken: made.details, token: made.token },
      text: details({ ...shown, token: made.token }),
      notes: ['The token is not shown again.'],
    };
  });

  const list = tokens
    .command('list')
    .description('list tokens')
    .option('--tenant <tenant>', 'only those of one tenant');
  setAction<{ tenant?: string }>(list, setExitCode, async (context, { tenant }) => {
    const tenantId = tenant === undefined ? undefined : (await context.tenant(tenant)).id;
    const found = await (await context.initialAccessTokens()).list(tenantId);
    return {
      json: { initialAccessTokens: found },
      text: table(['ID', 'STATE', 'USES', 'EXPIRES', 'LABEL'], found.map(toRow)),
    };
  });

  const revoke = tokens
    .command('revoke')
    .description('end a token; what it has registered stays')
    .argument('<id>', 'its id')
    .requiredOption('--tenant <tenant>', 'whose it is: slug or id');
  setAction<{ tenant: string }>(revoke, setExitCode, async (context, options, [id = '']) => {
    const tenant = await context.tenant(options.tenant);
    await (await context.initialAccessTokens()).revoke(tenant.id, id);
    return { json: { revoked: id }, text: `Revoked ${id}.` };
  });
};
