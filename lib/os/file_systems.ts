/** The kinds of file systems by their numbers, and what their syncs are worth; pure. */

/** A kind of file system. */
export interface FileSystem {
  /** As mount(8) calls it, for a family the best known of it. */
  name: string;
  /** Whether what a sync has answered for survives a power cut; nothing where only others know. */
  durable: boolean | undefined;
  /** Why it does not, or can't be told. */
  why: string;
  /** Whether other machines may have it too, or a program of any kind stands behind it. */
  isShared: boolean;
}

const MEMORY = "it is in memory only: a power cut leaves nothing, whatever is synced";
const SERVER = "a sync of a directory answers without asking the server (fs/nfs/dir.c, " +
  "fs/smb/client/cifsfs.c): what it keeps, only the server knows";
const PROGRAM =
  "it is another program's, which need not sync anything: the kernel answers in its place";
const LAYERS = "it may be mounted to sync nothing (volatile), and its upper layer may be anything";
const NO_JOURNAL = "it has no journal: a power cut may damage it whatever is synced";

/** statfs(2) and include/uapi/linux/magic.h; those that are not there, by their own sources. */
const KINDS: Record<number, [name: string, durable?: boolean, why?: string]> = {
  0xef53: ["ext4", true], // ext2 and ext3 have the same number; the driver of ext4 mounts them all
  0x58465342: ["xfs", true],
  0x9123683e: ["btrfs", true],
  0xf2f52010: ["f2fs", true],
  0x2fc12fc1: ["zfs", true],
  0xca451a4e: ["bcachefs", true],
  0x01021994: ["tmpfs", false, MEMORY],
  0x858458f6: ["ramfs", false, MEMORY],
  0x794c7630: ["overlay", undefined, LAYERS],
  0x6969: ["nfs", undefined, SERVER],
  0xff534d42: ["cifs", undefined, SERVER],
  0xfe534d42: ["cifs", undefined, SERVER],
  0x01021997: ["9p", undefined, PROGRAM],
  0x65735546: ["fuse", undefined, PROGRAM], // virtiofs too
  0x00c36400: ["ceph"],
  0x4d44: ["vfat", undefined, NO_JOURNAL],
  0x2011bab0: ["exfat", undefined, NO_JOURNAL],
  0x7366746e: ["ntfs3"],
};

/** Those that other machines may have too; what is behind FUSE and 9p, nobody knows. */
const SHARED = ["nfs", "cifs", "9p", "fuse", "ceph"];

/** What has this number (`f_type`), if that is known here. */
export function fileSystemOf(type: number): FileSystem | undefined {
  // Of 32 bits, which some runtimes take for signed.
  const kind = KINDS[type >>> 0];
  if (kind === undefined) return undefined;
  const [name, durable, why = "what its syncs are worth is not known here"] = kind;
  return { name, durable, why, isShared: SHARED.includes(name) };
}
