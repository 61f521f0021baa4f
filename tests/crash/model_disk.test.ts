/** The model of a disk answers as the system does: sequences of calls by chance are made on both. */

import * as fc from "fast-check";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemCalls } from "../../lib/os/system.ts";
import { OsError } from "../../lib/core/errors.ts";
import type { Os } from "../../lib/os/port.ts";
import { readAll } from "../../lib/fs/io.ts";
import { runSync, type Steps } from "../../lib/core/steps.ts";
import { lstatOrUndefined } from "../../lib/fs/target.ts";
import { ModelDisk } from "./model_disk.ts";
import { assert, assertEquals } from "../helpers/assert.ts";
import { runtime } from "../helpers/runtime.ts";
import { inMemory } from "../helpers/temp.ts";

const seed = Number(process.env.UNTORN_SEED ?? 1) + ["deno", "bun", "node"].indexOf(runtime);

const path = fc.constantFrom("a", "b", "a/a", "a/b", "b/c", "a/a/a", "link", "link/b");

/** Calls on paths, and what they answer as far as it can be compared. */
const calls: Record<
  string,
  (os: Os, at: (path: string) => string, a: string, b: string) => Steps<unknown>
> = {
  mkdir: (os, at, a) => os.mkdir(at(a), 0o755),
  *make(os, at, a, b) {
    yield* os.createWhole(at(a), 0o640, new TextEncoder().encode(b.repeat(300)));
  },
  *create(os, at, a, b) {
    const file = yield* os.create(at(a), 0o600);
    yield* os.write(file, new TextEncoder().encode(b));
    yield* os.write(file, new TextEncoder().encode("more".repeat(400)));
    yield* os.chmod(file, at(a), 0o604);
    yield* os.close(file);
  },
  long: (os, at) => os.lstat(at("x".repeat(256))),
  *look(os, at, a) {
    const { kind, mode, links, size } = yield* os.lstat(at(a));
    if (kind === "directory") return [kind, mode];
    return kind === "file" ? [kind, mode, links, size] : [kind, links];
  },
  *list(os, at, a) {
    return (yield* os.readdir(at(a))).map(({ name, kind }) => `${name} ${kind}`).sort();
  },
  *read(os, at, a) {
    return new TextDecoder().decode(yield* readAll(os, at(a)));
  },
  rename: (os, at, a, b) => os.rename(at(a), at(b)),
  link: (os, at, a, b) => os.link(at(a), at(b)),
  *exchange(os, at, a, b) {
    return (yield* os.canExchange()) && (yield* os.exchange(at(a), at(b)));
  },
  *unlink(os, at, a) {
    // One runtime removes an empty directory as well.
    if ((yield* os.lstat(at(a))).kind !== "directory") yield* os.unlink(at(a));
  },
  *rmdir(os, at, a) {
    if ((yield* os.lstat(at(a))).kind !== "symlink") yield* os.rmdir(at(a));
  },
  removeTree: (os, at, a) => os.removeTree(at(a)),
  symlink: (os, at) => os.symlink("a", at("link")),
  readlink: (os, at, a) => os.readlink(at(a)),
  *realpath(os, at, a) {
    return (yield* os.realpath(at(a))).slice(at("").length);
  },
  *copy(os, at, a, b) {
    // What is said of something there differs between the runtimes.
    const isFree = (yield* lstatOrUndefined(os, at(b))) === undefined;
    if ((yield* os.lstat(at(a))).kind === "file" && isFree) yield* os.copy(at(a), at(b));
  },
  *lock(os, at, a) {
    const isLink = (yield* lstatOrUndefined(os, at(a)))?.kind === "symlink";
    if (isLink || !(yield* os.canLock())) return undefined;
    const [one, other] = [yield* os.openLock(at(a)), yield* os.openLock(at(a))];
    const answers = [
      yield* os.tryLock(one),
      yield* os.tryLock(other),
      yield* os.tryLock(one, true),
    ];
    answers.push(yield* os.tryLock(other, true), yield* os.tryLock(one));
    yield* os.close(other);
    answers.push(yield* os.tryLock(one));
    yield* os.close(one);
    return answers;
  },
};

function answer(steps: Steps<unknown>): unknown {
  try {
    return runSync(steps);
  } catch (error) {
    if (error instanceof OsError) return error.code;
    throw error;
  }
}

test(
  "the model of a disk answers each call as the system does",
  { skip: process.platform !== "linux" && "the model is of Linux" },
  inMemory((dir) => {
    let number = 0;
    const answers = new Map<string, Set<string>>();
    const real = systemCalls().sync;
    const canExchange = runSync(real.canExchange());
    const step = fc.tuple(fc.constantFrom(...Object.keys(calls)), path, path);
    const property = fc.property(fc.array(step, { size: "max", maxLength: 30 }), (steps) => {
      const root = join(dir, `${++number}`);
      mkdirSync(root);
      const model = new ModelDisk();
      for (const [name, a, b] of steps) {
        if (name === "exchange" && !canExchange) continue;
        const call = calls[name]!;
        const there = answer(call(real, (path) => `${root}/${path}`, a, b));
        const here = answer(call(model.os, (path) => `/${path}`, a, b));
        assertEquals(here, there, `${name} ${a} ${b}`);
        const seen = answers.get(name) ?? new Set();
        answers.set(name, seen.add(JSON.stringify(there) ?? "done"));
      }
    });
    fc.assert(property, { seed, numRuns: 250 });
    for (const name of Object.keys(calls)) {
      if (name === "long" || name === "exchange" && !canExchange) continue;
      assert((answers.get(name)?.size ?? 0) >= 2, `${name} always had the same answer`);
    }
  }),
);
