import type { AddCommands, Answer } from '../command.ts';
import { setAction } from '../command.ts';
import type { Context } from '../context.ts';
import type { Finding } from '../doctor/finding.ts';

/** Every check, in the order of the report; without a valid configuration the others cannot be. */
async function examine(context: Context): Promise<Finding[]> {
  const { about } = await import('../doctor/finding.ts');
  const { checkNode, checkProcess } = await import('../doctor/process.ts');
  const findings = [checkNode()];
  const { ok, fail } = about('configuration');
  try {
    const { NODE_ENV, ISSUER } = context.config;
    findings.push(ok(`valid: ${NODE_ENV}, issuer ${ISSUER}`));
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ConfigError' && 'problems' in error)) {
      throw error;
    }
    const problems = error.problems as string[];
    return [...findings, ...problems.map((problem) => fail(problem, 'See docs/configuration.md.'))];
  }
  const { config } = context;
  const { checkPostgres } = await import('../doctor/postgres.ts');
  const { checkRedis } = await import('../doctor/redis.ts');
  const { checkKeys } = await import('../doctor/keys.ts');
  const { checkNetwork } = await import('../doctor/network.ts');
  const postgres = await checkPostgres(context);
  return [
    ...findings,
    ...checkProcess(config),
    ...postgres.findings,
    ...(await checkRedis(context)),
    ...(await checkKeys(config, postgres.knex)),
    ...(await checkNetwork(config)),
  ];
}

async function report(findings: readonly Finding[]): Promise<Answer> {
  const { plain } = await import('../output.ts');
  const width = Math.max(...findings.map(({ check }) => check.length));
  const indent = ' '.repeat(width + 8);
  const lines = findings.map(({ check, status, found, advice }) => {
    const line = `${status.padEnd(4)}  ${check.padEnd(width)}  ${plain(found)}`;
    return advice === null ? line : `${line}\n${indent}${plain(advice)}`;
  });
  const count = (status: string) => findings.filter((finding) => finding.status === status).length;
  const isHealthy = count('fail') === 0;
  lines.push('', `${count('fail')} failed, ${count('warn')} to look at.`);
  return {
    json: { healthy: isHealthy, checks: findings },
    text: lines.join('\n'),
    exitCode: isHealthy ? 0 : 1,
  };
}

/** `gatehouse doctor` */
export const addDoctor: AddCommands = (program, setExitCode) => {
  const command = program
    .command('doctor')
    .description('check the configuration, the stores, the keys and the way to the service');
  setAction(command, setExitCode, async (context) => report(await examine(context)));
};
