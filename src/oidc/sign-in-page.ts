import type { Context } from 'koa';
import { AppError } from '../kernel/errors.ts';
import type { PageModels } from '../pages/index.ts';
import type { PageRenderer } from '../web/page-renderer.ts';
import type { Step } from './step.ts';

/** Why a sign-in was not let through, as the page tells it. */
export interface SignInFailure {
  status: number;
  error: { id: string; values?: Record<string, string | number> } | null;
  fieldErrors: { identifier?: string; password?: string };
}

const MESSAGES: Partial<Record<AppError['code'], string>> = {
  IDENT_INVALID_CREDENTIALS: 'sign-in.error.invalid-credentials',
  IDENT_RATE_LIMITED: 'sign-in.error.rate-limited',
  IDENT_LOCKED: 'sign-in.error.locked',
  IDENT_HASH_BUSY: 'sign-in.error.busy',
};

/**
 * An account that people make for themselves opens nothing before its address is
 * proved. That reads like wrong credentials, so that a guess at a registration
 * tells nothing; whoever has just signed up is reminded all the same.
 */
function reasonOf({ error }: SignInFailure, ways: PageModels['sign-in']['ways']) {
  const isReminded = ways.signUp !== null && error?.id === MESSAGES.IDENT_INVALID_CREDENTIALS;
  return isReminded ? { ...error, id: 'sign-in.error.invalid-or-unproved' } : error;
}

/**
 * The page's words for a refused sign-in, with Retry-After where there is one.
 * @throws the error itself when it is none that a person can act on here
 */
export function toSignInFailure(ctx: Context, error: unknown): SignInFailure {
  const id = error instanceof AppError ? MESSAGES[error.code] : undefined;
  if (!(error instanceof AppError) || !id) throw error;
  const { retryAfter, headers } = error.options;
  if (headers) ctx.set(headers);
  if (retryAfter !== undefined) ctx.set('Retry-After', String(retryAfter));
  return {
    status: error.status,
    error: { id, values: { minutes: Math.max(1, Math.ceil((retryAfter ?? 60) / 60)) } },
    fieldErrors: {},
  };
}

/** Renders the sign-in page of an interaction, with what was typed and what went wrong. */
export async function showSignIn(
  ctx: Context,
  pages: PageRenderer,
  step: Step,
  typed: {
    identifier: string;
    organisation?: string;
    failure?: SignInFailure;
    notice?: string;
    ways: PageModels['sign-in']['ways'];
  },
): Promise<void> {
  const { interaction, client, csrfToken } = step;
  const base = `/interaction/${interaction.uid}`;
  await pages.render(
    ctx,
    'sign-in',
    {
      action: `${base}/sign-in`,
      cancelAction: `${base}/abort`,
      csrfToken,
      clientName: clientName(client.metadata),
      identifier: typed.identifier,
      organisation: typed.organisation ?? '',
      showOrganisation: step.tenantId === null,
      error: typed.failure ? reasonOf(typed.failure, typed.ways) : null,
      fieldErrors: typed.failure?.fieldErrors ?? {},
      notice: typed.notice ?? null,
      ways: typed.ways,
    },
    { ...step.page, ...(typed.failure ? { status: typed.failure.status } : {}) },
  );
}

/** The name that people know a client by; its id when it has none. */
export const clientName = (metadata: Record<string, unknown>): string =>
  typeof metadata.client_name === 'string' ? metadata.client_name : String(metadata.client_id);
