/**
 * Syncs of the asynchronous bindings. While a file or directory is being synced, further syncs of it wait,
 * and then share one: sixteen writers in a directory sync it four times, not sixteen. A sync that runs beside
 * others first starts a writeback, before a thread is free for it, so that one commit of a journal covers
 * many files so later syncs have nothing left to write.
 */

import { type Handle, sameFile, type Stat, type SyncCalls } from "./port.ts";

/** The syncs of a path. */
interface Syncs {
  open: Handle;
  /** Its metadata, once a second sync has been requested. */
  stat: Stat | undefined;
  underWay: Promise<void>;
  /** The sync shared by all that were requested while the first was under way. */
  next: Promise<void> | undefined;
}

const byPath = new Map<string, Syncs>();
let underWay = 0;

/** Whether something is being synced. */
export function isSyncing(): boolean {
  return underWay > 0;
}

/** Returns a binding's background sync, shared; `now` are its synchronous calls. */
export function shared(
  now: SyncCalls,
  sync: (open: Handle) => Promise<void>,
  startWriteback?: (open: Handle) => void,
): (open: Handle, path: string) => Promise<void> {
  const run = async (open: Handle): Promise<void> => {
    underWay++;
    try {
      if (underWay > 1) startWriteback?.(open);
      await sync(open);
    } finally {
      underWay--;
    }
  };
  const runAt = (open: Handle, path: string): Promise<void> => {
    const syncs: Syncs = { open, stat: undefined, underWay: run(open), next: undefined };
    byPath.set(path, syncs);
    // This runs before the callers that wait for the sync go on and close the handle.
    const end = (): void => {
      if (byPath.get(path) === syncs) byPath.delete(path);
    };
    syncs.underWay.then(end, end);
    return syncs.underWay;
  };
  return (open, path) => {
    const syncs = byPath.get(path);
    if (syncs === undefined) return runAt(open, path);
    // The path may lead to another file by now.
    if (!sameFile(syncs.stat ??= now.fstat(syncs.open), now.fstat(open))) return run(open);
    // The sync under way may have started before the change that this one is for.
    const start = (): Promise<void> => runAt(open, path);
    return syncs.next ??= syncs.underWay.then(start, start);
  };
}
