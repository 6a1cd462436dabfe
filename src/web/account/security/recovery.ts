import { readCode, toGroups } from '../../../features/recovery-code/index.ts';
import type { Clock } from '../../../kernel/clock.ts';
import { AppError } from '../../../kernel/errors.ts';
import type { Form } from '../../forms.ts';
import { type AccountPage, type AccountVisit, accountPage } from '../page.ts';
import { afterChange, type FactorDeps, isCode, labelOf, RECOVERY, refOf } from './factors.ts';
import { wordsFor } from './words.ts';

const FILE = `${RECOVERY}/file`;

/** Codes that a file holds at most. */
const MOST_CODES = 20;

export interface RecoveryDeps extends FactorDeps {
  clock: Clock;
}

/** Shows recovery codes, once. */
export async function showNewCodes(
  deps: FactorDeps & { clock: Clock },
  visit: AccountVisit,
  codes: string[],
  isFirst: boolean,
): Promise<void> {
  const model = {
    codes,
    isFirst,
    account: labelOf(visit),
    organisation: visit.tenant.name,
    made: wordsFor(deps.texts, visit).when(new Date(deps.clock.now())),
    fileAction: FILE,
    doneUrl: isFirst ? await afterChange(deps, visit) : '/account/security',
  };
  await visit.render('account-recovery-codes', model, 200, { isOnce: true });
}

/** How many codes are left, and new ones. */
const recoveryPage = (deps: RecoveryDeps): AccountPage =>
  accountPage({
    path: RECOVERY,
    section: 'security',
    fresh: true,
    async get(visit) {
      const found = await deps.authenticators.describe(refOf(visit));
      const codes = found.recoveryCodes;
      await visit.render('account-recovery', {
        action: RECOVERY,
        left: codes?.left ?? 0,
        made: codes && wordsFor(deps.texts, visit).when(codes.createdAt),
        hasFactor: found.authenticators.length > 0,
      });
    },
    async post(visit) {
      let codes: string[];
      try {
        codes = await deps.authenticators.generateRecoveryCodes(refOf(visit));
      } catch (error) {
        if (!isCode(error, 'IDENT_INVALID_TRANSITION')) throw error;
        return visit.redirect(RECOVERY);
      }
      await showNewCodes(deps, visit, codes, false);
    },
  });

/** The codes of the page that is shown. @throws AppError IDENT_VALIDATION for anything else */
function readCodes(form: Form): string[] {
  const typed = (form.get('codes') ?? '').split(' ').slice(0, MOST_CODES + 1);
  const codes = typed.map(readCode);
  const isWrong = codes.length > MOST_CODES || codes.includes(undefined);
  if (isWrong) {
    throw new AppError('IDENT_VALIDATION', {
      errors: [{ path: 'codes', message: 'must be recovery codes' }],
    });
  }
  return codes.flatMap((code) => (code === undefined ? [] : [toGroups(code)]));
}

/** The codes of the page that is shown as a file: no script saves it, and nothing is kept here. */
const filePage = (deps: RecoveryDeps): AccountPage =>
  accountPage({
    path: FILE,
    section: 'security',
    from: RECOVERY,
    post(visit, form) {
      const { ctx, tenant } = visit;
      const words = wordsFor(deps.texts, visit);
      const facts = {
        account: labelOf(visit),
        organisation: tenant.name,
        when: words.when(new Date(deps.clock.now())).text,
      };
      const lines = [
        words.text('account.recovery.file'),
        words.text('account.recovery.for', facts),
        words.text('account.recovery.once'),
        '',
        ...readCodes(form),
        '',
      ];
      ctx.set('Cache-Control', 'no-store');
      ctx.set('Content-Disposition', 'attachment; filename="recovery-codes.txt"');
      ctx.type = 'text/plain; charset=utf-8';
      ctx.body = lines.join('\r\n');
    },
  });

export const recoveryPages = (deps: RecoveryDeps): AccountPage[] => [
  recoveryPage(deps),
  filePage(deps),
];
