import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary } from '@zxcvbn-ts/language-common';
import type { StrengthTask } from './strength.ts';

const zxcvbn = new ZxcvbnFactory({ dictionary, graphs: adjacencyGraphs });

/** Runs on a thread of its own, so the slow estimate blocks nobody. */
export default function estimate({ password, words }: StrengthTask): number {
  return zxcvbn.check(password, words).score;
}
