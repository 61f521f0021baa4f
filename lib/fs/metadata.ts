/**
 * Mode and owner of a new version: those of the old one as far as the system allows, and at no time,
 * not even while it is staged, open to anyone whom the old one kept out.
 */

import { catchOsError, isNotOffered } from "../core/errors.ts";
import type { Handle, Os, Stat } from "../os/port.ts";
import type { Steps } from "../core/steps.ts";

const SET_ID = 0o6000;

/** What of a new version is given, and what is kept of the old one. */
export interface MetadataRules {
  mode: number | undefined;
  keepMode: boolean;
  keepOwner: boolean;
  /** The group of a file that replaces none; by default the system chooses. */
  group?: number | undefined;
}

/** The group of a new entry of a directory: its own, if it has the set-group-id bit; inode(7). */
export function groupFor(dir: Stat | undefined): number | undefined {
  return dir !== undefined && (dir.mode & 0o2000) !== 0 ? dir.gid : undefined;
}

/** The rules for what is in a directory: mode and owner of the present version are kept. */
export const ENTRY_RULES: MetadataRules = { mode: undefined, keepMode: true, keepOwner: true };

/** The mode to create the temporary file with; the umask may take more away. */
export function modeWhileStaged(settings: MetadataRules, old: Stat | undefined): number {
  const mode = wantedMode(settings, old);
  return mode === undefined ? 0o666 : narrow(mode);
}

/** A mode, without what it may give to somebody else before owner and group are right. */
export function narrow(mode: number): number {
  // Its group may not be the old one's yet: until it is, nobody gets more by the group's bits than by
  // the others', or the other way round.
  const both = mode & (mode >> 3) & 0o007;
  const safe = (mode & 0o700) | (both << 3) | both;
  // What will be changed later must be open to its owner until then.
  return safe === mode ? safe : safe | 0o600;
}

/** Gives the written file its owner and mode. One look at it often shows that it has them. */
export function* applyMetadata(
  os: Os,
  file: Handle,
  path: string,
  settings: MetadataRules,
  old: Stat | undefined,
): Steps<void> {
  const owner = ownerFor(settings, old);
  if (wantedMode(settings, old) === undefined && owner === undefined) return;
  let now = yield* os.fstat(file);
  if (owner !== undefined && !sameOwner(now, owner)) {
    yield* giveTo(os, file, path, now, owner);
    // A change of owner may have cleared bits of the mode, as it should: chown(2).
    now = yield* os.fstat(file);
  }
  const mode = modeFor(settings, now, old);
  if (mode !== now.mode) yield* os.chmod(file, path, mode);
}

function wantedMode(settings: MetadataRules, old: Stat | undefined): number | undefined {
  return settings.mode ?? (settings.keepMode ? old?.mode : undefined);
}

/** An owner; without a user, only the group is given. */
type Owner = { uid?: number; gid: number };

function ownerFor({ keepOwner, group }: MetadataRules, old: Stat | undefined): Owner | undefined {
  if (old !== undefined) return keepOwner ? old : undefined;
  return group === undefined ? undefined : { gid: group };
}

function sameOwner(now: Stat, { uid = now.uid, gid }: Owner): boolean {
  return now.uid === uid && now.gid === gid;
}

/** Owner and group, or the group alone, or neither: as the system allows. */
function* giveTo(
  os: Os,
  file: Handle,
  path: string,
  now: Stat,
  { uid: wanted = now.uid, gid }: Owner,
): Steps<void> {
  for (const uid of now.gid === gid ? [wanted] : [wanted, now.uid]) {
    const error = yield* catchOsError(os.chown(file, path, uid, gid));
    if (error === undefined) return;
    // EACCES, EPERM: it is not the owner's to give. EINVAL: it is not mapped in this namespace.
    if (!isNotOffered(error, "EACCES")) throw error;
  }
}

/** The mode for a file that may have another owner or group than the old one; its own if none is wanted. */
function modeFor(settings: MetadataRules, now: Stat, old: Stat | undefined): number {
  if (settings.mode !== undefined) return settings.mode;
  if (!settings.keepMode || old === undefined) return now.mode;
  let mode = old.mode;
  if (!sameOwner(now, old)) mode &= ~SET_ID;
  // Another group gets no more than the others have, as Vim does it (buf_write).
  if (now.gid !== old.gid) mode &= ~0o070 | ((mode & 0o007) << 3);
  return mode;
}
