import { readdirSync, readFileSync } from 'node:fs';

/**
 * What the kernel says of processes. Linux only; elsewhere figures are NaN and
 * the report leaves them out.
 */

/** Clock ticks of /proc/<pid>/stat per second: 100 on every Linux that Node runs on. */
const TICKS = 100;

interface Stat {
  parent: number;
  /** Processor time so far, milliseconds. */
  cpu: number;
  /** Resident memory, bytes. */
  rss: number;
}

const PAGE = 4_096;

function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0] = fields;
    const ticks = (fields[11] ?? 0) + (fields[12] ?? 0);
    return { parent, cpu: (ticks * 1_000) / TICKS, rss: (fields[21] ?? 0) * PAGE };
  } catch {
    return undefined;
  }
}

/** A process and its children: the workers of a cluster. */
export function familyOf(pid: number): number[] {
  if (process.platform !== 'linux') return [pid];
  const children = readdirSync('/proc')
    .map(Number)
    .filter((candidate) => candidate > 0 && readStat(candidate)?.parent === pid);
  return [pid, ...children];
}

/** Processor time of all these so far, milliseconds. */
export const cpuOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (readStat(pid)?.cpu ?? Number.NaN), 0);

/** Resident memory of all these, megabytes (10^6 bytes). */
export const memoryOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (readStat(pid)?.rss ?? Number.NaN), 0) / 1e6;
