import { arch, availableParallelism, cpus, platform, totalmem } from 'node:os';
import { CONNECTIONS } from './load.ts';
import type { Memory, Plan, Result } from './runner.ts';
import type { StartTimes } from './startup.ts';
import { median, ratioOf, type Summary, summarise } from './stats.ts';
import type { StoreFacts } from './stores.ts';
import type { Timing } from './timing.ts';
import { CLIENTS, PEOPLE } from './world.ts';

export interface Report {
  date: string;
  plan: Plan;
  facts: StoreFacts;
  results: Result[];
  memory: Memory[];
  starts: StartTimes[];
  timings: Timing[];
}

const number = (value: number, digits = 0): string =>
  Number.isFinite(value)
    ? value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
    : '–';

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

const table = (head: readonly string[], rows: readonly string[][]): string =>
  [row(head), row(head.map((_, index) => (index === 0 ? '---' : '--:'))), ...rows.map(row)].join(
    '\n',
  );

const rateDigits = ({ rate }: Summary): number => (rate < 100 ? 1 : 0);

const verdict = (isMet: boolean): string => (isMet ? 'met' : '**missed**');

/** Whether what was aimed at is reached; empty where nothing was. */
function judge({ target, p99Target }: Result['scenario'], ratio: number, p99: number): string {
  if (target !== undefined) return `${number(target, 2)} ${verdict(ratio >= target)}`;
  return p99Target === undefined ? '' : `p99 < ${p99Target} ${verdict(p99 < p99Target)}`;
}

/** The lines of a scenario, one for each contestant. */
export function resultRows({ scenario, runs, failure }: Result): string[][] {
  if (failure !== undefined) {
    const reason = failure.split('\n')[0] ?? '';
    return [[scenario.title, `**failed**: ${reason}`, '', '', '', '', '', '']];
  }
  const base = runs.get(scenario.base);
  return [...runs].map(([name, own], index) => {
    const summary = summarise(own);
    const digits = rateDigits(summary);
    const ratio = base && name !== scenario.base ? ratioOf(own, base) : Number.NaN;
    const isJudged = name === 'gatehouse ×1';
    return [
      index === 0 ? scenario.title : '',
      name,
      number(summary.rate, digits),
      `${number(summary.min, digits)}–${number(summary.max, digits)}`,
      number(ratio, 2),
      isJudged ? judge(scenario, ratio, summary.p99) : '',
      `${number(summary.p50, 1)} / ${number(summary.p99, 1)}`,
      number(summary.cpu, 2),
    ];
  });
}

const RESULT_HEAD = [
  'Scenario',
  'Server',
  'per second',
  'min–max',
  'ratio',
  'target',
  'p50 / p99 ms',
  'CPU ms',
];

const memoryRows = (memory: readonly Memory[]): string[][] =>
  memory.map(({ variant, name, atRest, peak }) => [
    `${variant.alg}, ${variant.format}`,
    name,
    number(atRest),
    number(peak),
    name === 'gatehouse ×1' ? `at rest < 200 ${verdict(atRest < 200)}` : '',
  ]);

const startRows = (starts: readonly StartTimes[]): string[][] =>
  starts.map(({ name, times, target, failure }) => [
    name,
    failure === undefined ? number(median(times)) : `not measured: ${failure}`,
    times.length === 0 ? '' : `${number(Math.min(...times))}–${number(Math.max(...times))}`,
    target === undefined || failure !== undefined
      ? ''
      : `< ${number(target)} ${verdict(median(times) < target)}`,
  ]);

/** Share by which the medians of sign-ins may differ that must not be told apart. */
const LIKE = 0.05;

export const timingRows = (timings: readonly Timing[]): string[][] =>
  timings.map(({ kind, median: middle, quarters, deviation }) => [
    kind,
    number(middle, 2),
    quarters.map((value) => number(value, 2)).join('–'),
    Number.isNaN(deviation) ? '' : `${number(deviation * 100, 1)} %`,
    Number.isNaN(deviation)
      ? ''
      : `± ${number(LIKE * 100)} % ${verdict(Math.abs(deviation) <= LIKE)}`,
  ]);

export const TIMING_HEAD = ['Refused sign-in', 'median ms', 'middle half', 'apart', 'target'];

function settings({ plan, facts }: Report): string[] {
  const [cpu] = cpus();
  const memory = (totalmem() / 1e9).toFixed(0);
  return [
    `- ${availableParallelism()} cores (${cpu?.model.trim() ?? 'unknown'}), ${memory} GB, ${platform()} ${arch()}`,
    `- Node.js ${process.versions.node} (OpenSSL ${process.versions.openssl}), ${facts.postgres}, ${facts.redis}`,
    `- load, servers, PostgreSQL and Redis share these cores; ${CONNECTIONS} kept-alive connections, each with one request under way`,
    `- ${plan.rounds} runs of ${plan.seconds} s for each server, in turns; medians; ratio: median of the ratios of neighbouring runs`,
    `- Gatehouse with NODE_ENV=production, LOG_LEVEL=info (to a file), RUN_MODE=all, behind a trusted proxy; the bare engine logs nothing`,
    `- ${CLIENTS} clients, ${PEOPLE} people, RSA 2048, P-256 and Ed25519 keys on both sides`,
  ];
}

/** The highest share of a core that the load generator took in any run of a scenario. */
function generatorShare(results: readonly Result[]): number {
  const shares = results.flatMap(({ runs }) => [...runs.values()].flat()).map((r) => r.generator);
  return Math.max(0, ...shares.filter(Number.isFinite));
}

/** The whole report as Markdown. */
export function renderReport(report: Report): string {
  const share = number(generatorShare(report.results) * 100);
  const sections = [
    `# Benchmark of ${report.date}`,
    settings(report).join('\n'),
    table(RESULT_HEAD, report.results.flatMap(resultRows)),
    `CPU ms: processor time of the server's own processes for each unit of work; stores and load not counted. The load generator took at most ${share} % of a core.`,
  ];
  if (report.memory.length > 0) {
    const head = ['Tokens', 'Server', 'at rest MB', 'peak MB', 'target'];
    sections.push('## Memory (RSS, all processes)', table(head, memoryRows(report.memory)));
  }
  if (report.timings.length > 0) {
    const about =
      'In turns, one at a time, by the JSON API. “Apart” is from a wrong password: by the time of its answer nobody learns whether an account exists, is suspended or locked.';
    sections.push('## Refused sign-ins', table(TIMING_HEAD, timingRows(report.timings)), about);
  }
  if (report.starts.length > 0) {
    const head = ['Start to first good answer', 'median ms', 'min–max', 'target'];
    sections.push('## Start', table(head, startRows(report.starts)));
  }
  return `${sections.join('\n\n')}\n`;
}
