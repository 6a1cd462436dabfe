import fc from 'fast-check';

/**
 * fast-check with one seed for every run, so that a change is judged by what it changes and a
 * failure comes back at the next run. To look for new counterexamples:
 * `FAST_CHECK_SEED=random npm test`, or a number to repeat a run.
 */
const { FAST_CHECK_SEED: seed = '20261121' } = process.env;
if (seed !== 'random') fc.configureGlobal({ seed: Number(seed) });

export default fc;
