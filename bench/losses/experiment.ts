/** What an experiment is, and what it finds. */

import type { Place } from "./processes.ts";

/** What came of an experiment with one package. */
export interface Finding {
  /** Whether nothing was lost. */
  good: boolean;
  /** The outcome in a few words. */
  cell: string;
  details: Record<string, string | number>;
}

/** One question, asked of some packages. */
export interface Experiment {
  name: string;
  question: string;
  packages: readonly string[];
  /** Why it can't be run on this machine, or undefined. */
  unavailable?: () => Promise<string | undefined>;
  run: (name: string, place: Place) => Promise<Finding>;
}
