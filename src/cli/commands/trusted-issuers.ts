import type { Command } from 'commander';
import type { NewTrustedIssuer, TrustedIssuer } from '../../features/trusted-issuer/index.ts';
import { type AddCommands, collect, setAction } from '../command.ts';
import type { Context } from '../context.ts';
import { CliError } from '../errors.ts';
import { details, table } from '../output.ts';
import { readJsonObject } from '../stdin.ts';

interface AddOptions {
  tenant: string;
  audience: string;
  jwksUri?: string;
  jwks?: string;
  alg?: string[];
  subjectClaim?: string;
  usernameClaim?: string;
  linkBy?: string;
  maxTokenAge?: string;
}

type SetExitCode = (code: number) => void;

const describe = (entry: TrustedIssuer, tenant: string): string =>
  details({
    issuer: entry.issuer,
    tenant,
    keys: entry.jwksUri ?? `${entry.jwks?.keys.length ?? 0} given by hand`,
    audience: entry.audience,
    algorithms: entry.algs.join(' '),
    'subject claim': entry.subjectClaim,
    'linked by': entry.linkBy === 'username' ? `username (${entry.usernameClaim})` : entry.linkBy,
    'oldest token': `${entry.maxTokenAge} s`,
    disabled: entry.isDisabled,
    created: entry.createdAt,
  });

/** Runs work on an entry; says it in words when there is none. */
const orMissing = (issuer: string, tenant: string, work: Promise<void>): Promise<void> =>
  work.catch((error: { code?: string }) => {
    if (error.code !== 'IDENT_NOT_FOUND') throw error;
    throw missing(issuer, tenant);
  });

const missing = (issuer: string, tenant: string): CliError =>
  new CliError(`Tenant ${tenant} does not trust ${JSON.stringify(issuer)}.`, {
    advice: 'To see whom it trusts: gatehouse trusted-issuers list',
  });

function addAdd(group: Command, setExitCode: SetExitCode): void {
  const add = group
    .command('add')
    .description('let clients of a tenant exchange tokens of an issuer for ours (RFC 8693)')
    .argument('<issuer>', 'its iss, to the letter')
    .requiredOption('--tenant <slug>', 'the tenant that trusts it')
    .requiredOption('--audience <audience>', 'what aud of its tokens must name')
    .option('--jwks-uri <uri>', 'where its keys are')
    .option('--jwks <file>', 'its keys as a JSON object (RFC 7517 5); - is standard input')
    .option('--alg <alg>', 'signature algorithms; may be repeated', collect)
    .option('--link-by <how>', 'link an unknown subject by none, email or username')
    .option('--subject-claim <name>', 'the claim that names the subject for good; default: sub')
    .option('--username-claim <name>', 'the claim to link by; default: preferred_username')
    .option('--max-token-age <seconds>', 'since iat; default: 3600');
  setAction<AddOptions>(add, setExitCode, async (context, options, [issuer = '']) => {
    const { audience, jwksUri, alg, linkBy, subjectClaim, usernameClaim, maxTokenAge } = options;
    const tenant = await context.tenant(options.tenant);
    const jwks = options.jwks === undefined ? undefined : await readJsonObject(options.jwks);
    const given = { jwksUri, jwks, algs: alg, linkBy, subjectClaim, usernameClaim };
    const present = Object.entries(given).filter(([, value]) => value !== undefined);
    // The schema of the feature says what of it is wrong.
    const entry = await (await context.trustedIssuers()).add({
      ...Object.fromEntries(present),
      ...(maxTokenAge === undefined ? {} : { maxTokenAge: Number(maxTokenAge) }),
      tenantId: tenant.id,
      issuer,
      audience,
    } as NewTrustedIssuer);
    return { json: { trustedIssuer: entry }, text: describe(entry, tenant.slug) };
  });
}

function addList(group: Command, setExitCode: SetExitCode): void {
  const list = group
    .command('list')
    .description('list the issuers that tenants trust')
    .option('--tenant <slug>', 'only those of this tenant');
  setAction<{ tenant?: string }>(list, setExitCode, async (context, options) => {
    const tenant = options.tenant === undefined ? undefined : await context.tenant(options.tenant);
    const entries = await (await context.trustedIssuers()).list(tenant?.id);
    const tenants = await (await context.tenants()).list();
    const slugs = new Map(tenants.map(({ id, slug }) => [id, slug]));
    const rows = entries.map((entry) => [
      entry.issuer,
      slugs.get(entry.tenantId),
      entry.audience,
      entry.linkBy,
      entry.isDisabled,
    ]);
    return {
      json: { trustedIssuers: entries },
      text: table(['ISSUER', 'TENANT', 'AUDIENCE', 'LINK BY', 'DISABLED'], rows),
    };
  });
}

function addShow(group: Command, setExitCode: SetExitCode): void {
  const show = group
    .command('show')
    .description('show one entry')
    .argument('<issuer>', 'its iss')
    .requiredOption('--tenant <slug>', 'the tenant that trusts it');
  setAction<{ tenant: string }>(show, setExitCode, async (context, options, [issuer = '']) => {
    const tenant = await context.tenant(options.tenant);
    const entry = await (await context.trustedIssuers()).find(tenant.id, issuer);
    if (!entry) throw missing(issuer, tenant.slug);
    return { json: { trustedIssuer: entry }, text: describe(entry, tenant.slug) };
  });
}

interface Change {
  name: string;
  description: string;
  done: string;
  apply(context: Context, tenantId: string, issuer: string): Promise<void>;
}

const CHANGES: Change[] = [
  {
    name: 'disable',
    description: 'take no more tokens of an issuer; those given for them live out their time',
    done: 'Disabled',
    apply: async (context, tenantId, issuer) =>
      (await context.trustedIssuers()).setDisabled(tenantId, issuer, true),
  },
  {
    name: 'enable',
    description: 'take tokens of an issuer again',
    done: 'Enabled',
    apply: async (context, tenantId, issuer) =>
      (await context.trustedIssuers()).setDisabled(tenantId, issuer, false),
  },
  {
    name: 'remove',
    description: 'trust an issuer no more; who its subjects are stays known',
    done: 'Removed',
    apply: async (context, tenantId, issuer) =>
      (await context.trustedIssuers()).remove(tenantId, issuer),
  },
];

function addChange(group: Command, setExitCode: SetExitCode, change: Change): void {
  const command = group
    .command(change.name)
    .description(change.description)
    .argument('<issuer>', 'its iss')
    .requiredOption('--tenant <slug>', 'the tenant that trusts it');
  setAction<{ tenant: string }>(command, setExitCode, async (context, options, [issuer = '']) => {
    const tenant = await context.tenant(options.tenant);
    await orMissing(issuer, tenant.slug, change.apply(context, tenant.id, issuer));
    return { json: { [change.name]: issuer }, text: `${change.done} ${issuer}.` };
  });
}

function addLink(group: Command, setExitCode: SetExitCode): void {
  const link = group
    .command('link')
    .description('say which user a subject of an issuer is')
    .argument('<issuer>', 'its iss')
    .requiredOption('--tenant <slug>', 'the tenant that the user is at home in')
    .requiredOption('--subject <subject>', 'as the issuer names it')
    .requiredOption('--user <id>', 'the id of the user');
  setAction<{ tenant: string; subject: string; user: string }>(
    link,
    setExitCode,
    async (context, { tenant: name, subject, user: userId }, [issuer = '']) => {
      const tenant = await context.tenant(name);
      const service = await context.trustedIssuers();
      await service
        .link({ tenantId: tenant.id, userId, issuer, subject })
        .catch((error: { code?: string }) => {
          if (error.code !== 'IDENT_NOT_FOUND') throw error;
          throw new CliError(`There is no user ${JSON.stringify(userId)} in ${tenant.slug}.`);
        });
      return { json: { linked: { issuer, subject, userId } }, text: `Linked ${subject}.` };
    },
  );
}

/** `gatehouse trusted-issuers add|list|show|disable|enable|remove|link` */
export const addTrustedIssuers: AddCommands = (program, setExitCode) => {
  const group = program
    .command('trusted-issuers')
    .description('issuers whose tokens may be exchanged for ours');
  addAdd(group, setExitCode);
  addList(group, setExitCode);
  addShow(group, setExitCode);
  for (const change of CHANGES) addChange(group, setExitCode, change);
  addLink(group, setExitCode);
};
