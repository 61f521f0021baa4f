/** The experiments in which one process writes a file. */

import type { Experiment, Finding } from "./experiment.ts";
import { run, works } from "./processes.ts";
import { writers } from "./packages.ts";

const names = Object.keys(writers);

/** A mount that is gone with its processes, however they end, and that needs no root. */
const MOUNT = ["--map-root-user", "--mount"];

const fullDisk: Experiment = {
  name: "full disk",
  question: "600 KiB replace a good file of 100 KiB on a disk with room for 412 KiB.",
  packages: names,
  async unavailable() {
    return await works("unshare", ...MOUNT, "mount", "-t", "tmpfs", "tmpfs", "/tmp")
      ? undefined
      : "no tmpfs can be mounted here (as root, or in a user namespace by unshare)";
  },
  async run(name, place) {
    const script = 'mount -t tmpfs -o size=512k tmpfs "$0" && exec "$@"';
    const { error, found } = await run<{ error?: string; found: string }>(
      "fill",
      name,
      place,
      { dir: place.dir },
      ["unshare", ...MOUNT, "sh", "-c", script, place.dir],
    );
    return {
      good: found === "old" && error !== undefined,
      cell: found === "old" ? "old file kept" : found,
      details: { call: error ?? "succeeded", file: found },
    };
  },
};

const links: Experiment = {
  name: "link",
  question: "The file that is replaced is a symbolic link.",
  packages: names,
  async run(name, place) {
    type Result = { error?: string; link: boolean; real: string };
    const { error, link, real } = await run<Result>("keepLink", name, place, { dir: place.dir });
    const good = link && (real === "new" || error !== undefined);
    return {
      good,
      cell: good ? error === undefined ? "kept" : "refused" : "replaced",
      details: {
        link: link ? "kept" : "gone",
        "what it leads to": real,
        call: error ?? "succeeded",
      },
    };
  },
};

const streams: Experiment = {
  name: "failing stream",
  question: "The content comes from a stream, which fails halfway.",
  packages: ["untorn", "atomically", "@openclaw/fs-safe"],
  async run(name, place): Promise<Finding> {
    type Result = { ended: string; found: string; uncaught: number; next: string };
    const result = await run<Result>("stream", name, place, { dir: place.dir });
    const { ended, found, uncaught, next } = result;
    const good = found === "old" && next === "done" && uncaught === 0 &&
      ended !== "done" && ended !== "never";
    return {
      good,
      cell: good ? "old file kept" : ended === "never" ? "hangs" : `file: ${found}`,
      details: { call: ended, file: found, "uncaught errors": uncaught, "next write": next },
    };
  },
};

const arrays: Experiment = {
  name: "Uint16Array",
  question: "The content is a Uint16Array of 2,000 bytes.",
  // To fs-jetpack an array is a value to write as JSON, as it says.
  packages: names.filter((name) => name !== "fs-jetpack"),
  async run(name, place) {
    type Result = { error?: string; found: string };
    const { error, found } = await run<Result>("numbers", name, place, { dir: place.dir });
    const good = found === "new" || error !== undefined;
    return {
      good,
      cell: found === "new" ? "all of it" : error === undefined ? found : "refused",
      details: { call: error ?? "succeeded", file: found },
    };
  },
};

/** In the order in which they are run. */
export const fileExperiments: Experiment[] = [fullDisk, links, streams, arrays];
