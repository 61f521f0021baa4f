/**
 * Syncs of the asynchronous bindings. While something is being synced, further syncs of the very same wait,
 * and then share one: sixteen writers in a directory sync it four times, not sixteen. A sync beside others
 * first has the system begin to write, before a thread is free for it: then one commit of a journal has many
 * files in it, and the syncs that wait for the next find theirs done.
 */

import { type Handle, sameFile, type Stat, type SyncCalls } from "./port.ts";

/** The syncs of what is at a path. */
interface Syncs {
  open: Handle;
  /** A look at it, as soon as a second sync has come. */
  stat: Stat | undefined;
  underWay: Promise<void>;
  /** The one for all that came while it was under way. */
  next: Promise<void> | undefined;
}

const byPath = new Map<string, Syncs>();
let underWay = 0;

/** Whether something is being synced. */
export function isSyncing(): boolean {
  return underWay > 0;
}

/**
 * A binding's sync in the background, shared; `now` are its calls that answer at once, `startWriteback`,
 * where there is one, has the system begin to write.
 */
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
    if (!sameFile(syncs.stat ??= now.fstat(syncs.open), now.fstat(open))) return run(open);
    // The one under way may have begun before the change that this is for.
    const start = (): Promise<void> => runAt(open, path);
    return syncs.next ??= syncs.underWay.then(start, start);
  };
}
