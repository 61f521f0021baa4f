/**
 * Syncs of the asynchronous bindings. While something is being synced, those who come to sync the very
 * same wait, and then share one sync: sixteen writers in a directory sync it four times, not sixteen.
 */

import { type Handle, sameFile, type SyncCalls } from "./port.ts";

/** The syncs of what is at a path. */
interface Syncs {
  open: Handle;
  underWay: Promise<void>;
  /** That of who came while it was under way. */
  next: Promise<void> | undefined;
}

const byPath = new Map<string, Syncs>();
let underWay = 0;

/** Whether something is being synced. */
export function isSyncing(): boolean {
  return underWay > 0;
}

/** A binding's sync in the background, shared; `now` are its calls that answer at once. */
export function shared(
  now: SyncCalls,
  sync: (open: Handle) => Promise<void>,
): (open: Handle, path: string) => Promise<void> {
  const run = async (open: Handle): Promise<void> => {
    underWay++;
    try {
      await sync(open);
    } finally {
      underWay--;
    }
  };
  const runAt = (open: Handle, path: string): Promise<void> => {
    const syncs: Syncs = { open, underWay: run(open), next: undefined };
    byPath.set(path, syncs);
    // Before whoever waits for it goes on, and closes what is open.
    const end = (): void => {
      if (byPath.get(path) === syncs) byPath.delete(path);
    };
    syncs.underWay.then(end, end);
    return syncs.underWay;
  };
  return (open, path) => {
    const syncs = byPath.get(path);
    if (syncs === undefined) return runAt(open, path);
    // By now the path may lead elsewhere.
    if (!sameFile(now.fstat(syncs.open), now.fstat(open))) return run(open);
    // The one under way may have begun before the change that this is for.
    const start = (): Promise<void> => runAt(open, path);
    return syncs.next ??= syncs.underWay.then(start, start);
  };
}
