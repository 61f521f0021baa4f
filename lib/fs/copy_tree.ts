/**
 * A copy of a tree, for a stage. Files share their blocks with the originals if the file system can, but not
 * their inodes; modes, times and, where permitted, owners are the same.
 */

import { RefusedError } from "../core/errors.ts";
import { inside } from "../core/paths.ts";
import { parallel, type Steps, waitFor } from "../core/steps.ts";
import type { Entry, Os } from "../os/port.ts";
import { copyFile, finishCopy } from "./new_file.ts";
import { lstatOrUndefined } from "./target.ts";

/** Copies the content of a directory into an existing one; calls `onFile` with each file's size. */
export function* copyTree(
  os: Os,
  from: string,
  to: string,
  signal: AbortSignal | undefined,
  onFile: (bytes: number) => void,
): Steps<void> {
  const entries = yield* os.readdir(from);
  const others = entries.filter(({ kind }) => kind !== "directory").values();
  yield* parallel(function* () {
    signal?.throwIfAborted();
    const next = yield* waitFor(others.next());
    return next.done ? undefined : copyEntry(os, from, to, next.value, onFile);
  });
  for (const { name, kind } of entries) {
    if (kind !== "directory") continue;
    const path = inside(from, name);
    yield* refuseNonUtf8(os, path);
    const stat = yield* os.lstat(path);
    const copy = inside(to, name);
    yield* os.mkdir(copy, 0o700);
    yield* copyTree(os, path, copy, signal, onFile);
    const open = yield* os.openDir(copy);
    if (open !== undefined) yield* finishCopy(os, copy, open, stat);
  }
}

function* copyEntry(
  os: Os,
  from: string,
  to: string,
  { name, kind }: Entry,
  onFile: (bytes: number) => void,
): Steps<void> {
  const path = inside(from, name);
  const copy = inside(to, name);
  yield* refuseNonUtf8(os, path);
  if (kind === "symlink") return yield* os.symlink(yield* os.readlink(path), copy);
  if (kind !== "file") {
    const why = `${JSON.stringify(path)} is a device, pipe or socket, which can't be copied`;
    throw new RefusedError("ERR_UNSUPPORTED", path, why);
  }
  const { size } = yield* copyFile(os, path, copy);
  onFile(size);
}

/** Refuses a name that is not UTF-8. A runtime shows it with U+FFFD in it, and can't find it by that name. */
export function* refuseNonUtf8(os: Os, path: string): Steps<void> {
  if (!path.includes("\ufffd") || (yield* lstatOrUndefined(os, path)) !== undefined) return;
  const why = `the name ${
    JSON.stringify(path)
  } is not UTF-8, so it can't be carried over; rename it`;
  throw new RefusedError("EILSEQ", path, why);
}
