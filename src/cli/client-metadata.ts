import { CliError, EXIT } from './errors.ts';
import { readJsonObject } from './stdin.ts';

/** The options of `clients create` and `clients update` that make up registration metadata. */
export interface MetadataOptions {
  name?: string;
  redirectUri?: string[];
  postLogoutRedirectUri?: string[];
  grant?: string[];
  authMethod?: string;
  scope?: string[];
  set?: string[];
  metadata?: string;
}

/** Grants that answer with a redirect need a response type; no other does. */
const REDIRECTING = 'authorization_code';

/** `name=value`: the value is JSON where it can be read as such, else text. @throws CliError */
function parseSetting(setting: string): [string, unknown] {
  const [, name, value = ''] = /^([A-Za-z0-9_#:.-]+)=(.*)$/s.exec(setting) ?? [];
  if (name === undefined) {
    throw new CliError('--set needs name=value, such as --set require_auth_time=true', {
      exitCode: EXIT.usage,
    });
  }
  if (name === 'client_secret') {
    throw new CliError('A secret must not be an argument: others can see it.', {
      advice: 'Put client_secret into the object that --metadata - reads from standard input.',
      exitCode: EXIT.usage,
    });
  }
  try {
    return [name, JSON.parse(value)];
  } catch {
    return [name, value];
  }
}

/**
 * The registration metadata (RFC 7591 2) that the options describe: flags win
 * over --set, which wins over --metadata.
 * @param how `isWhole`: whether they are all metadata of a client, not changes to it
 * @throws CliError for a file that cannot be read and a setting that is none
 */
export async function readMetadata(
  options: MetadataOptions,
  { isWhole = true }: { isWhole?: boolean } = {},
): Promise<Record<string, unknown>> {
  const settings = (options.set ?? []).map(parseSetting);
  const file = options.metadata === undefined ? {} : await readJsonObject(options.metadata);
  const flags = {
    client_name: options.name,
    redirect_uris: options.redirectUri,
    post_logout_redirect_uris: options.postLogoutRedirectUri,
    grant_types: options.grant,
    token_endpoint_auth_method: options.authMethod,
    scope: options.scope?.join(' '),
  };
  const metadata: Record<string, unknown> = {
    ...file,
    ...Object.fromEntries(settings),
    ...Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)),
  };
  const { grant_types: grants } = metadata;
  if (isWhole && Array.isArray(grants) && !grants.includes(REDIRECTING)) {
    metadata.response_types ??= [];
    metadata.redirect_uris ??= [];
  }
  return metadata;
}
