/**
 * Mode and owner of a new version. They are those of the old one, as far as the system allows. At no time,
 * not even while it is staged, is the new version accessible to anyone who had no access to the old one.
 */

import { catchOsError, isNotOffered } from "../core/errors.ts";
import type { Steps } from "../core/steps.ts";
import type { Handle, Os, Stat } from "../os/port.ts";

const SET_ID = 0o6000;

/** Which metadata of a new version is given, and which is preserved from the old one. */
export interface MetadataRules {
  mode: number | undefined;
  keepMode: boolean;
  keepOwner: boolean;
  /** The group of a file that replaces none; by default, the system chooses it. */
  group?: number | undefined;
}

/** The group of a new entry: that of its directory, if it has the set-group-ID bit; inode(7). */
export function groupFor(dir: Stat | undefined): number | undefined {
  return dir !== undefined && (dir.mode & 0o2000) !== 0 ? dir.gid : undefined;
}

/** The rules for entries of a directory: mode and owner are preserved. */
export const ENTRY_RULES: MetadataRules = { mode: undefined, keepMode: true, keepOwner: true };

/** The mode to create the temporary file with, further restricted by the umask. */
export function modeWhileStaged(settings: MetadataRules, old: Stat | undefined): number {
  const mode = wantedMode(settings, old);
  return mode === undefined ? 0o666 : narrow(mode);
}

/** Restricts a mode so that it grants nothing to others before owner and group are set. */
export function narrow(mode: number): number {
  // The group may still be another than the old one's: until it is set, group and others get only the bits
  // that both have.
  const both = mode & (mode >> 3) & 0o007;
  const safe = (mode & 0o700) | (both << 3) | both;
  // A file whose mode is set later must be accessible to its owner until then.
  return safe === mode ? safe : safe | 0o600;
}

/** Sets a written file's owner and mode. Often, fstat(2) shows that it has them already. */
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
    // chown(2) may have cleared bits of the mode, as it should.
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

/** Sets owner and group, or the group alone, or neither, as the system allows. */
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
    // EACCES, EPERM: this process may not set it. EINVAL: the ID is not mapped in this user namespace.
    if (!isNotOffered(error, "EACCES")) throw error;
  }
}

/** The final mode of a file, which may have another owner or group than the old one. */
function modeFor(settings: MetadataRules, now: Stat, old: Stat | undefined): number {
  if (settings.mode !== undefined) return settings.mode;
  if (!settings.keepMode || old === undefined) return now.mode;
  let mode = old.mode;
  if (!sameOwner(now, old)) mode &= ~SET_ID;
  // Another group gets no more access than others have, as in Vim (buf_write).
  if (now.gid !== old.gid) mode &= ~0o070 | ((mode & 0o007) << 3);
  return mode;
}
