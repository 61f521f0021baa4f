/** File system types by number, and whether their syncs can be relied on; pure. */

/** A type of file system. */
export interface FileSystem {
  /** Its name for mount(8); for a family of types, the best known one. */
  name: string;
  /** Whether synced data survives a power cut; nothing if unknown. */
  durable: boolean | undefined;
  /** Why it doesn't, or why it is unknown. */
  why: string;
  /** Whether other machines may change it, directly or through a program that serves it. */
  isShared: boolean;
}

const MEMORY = "it is in memory only: a power cut loses everything, even if it was synced";
const SERVER = "a sync of a directory returns without contacting the server (fs/nfs/dir.c, " +
  "fs/smb/client/cifsfs.c): its durability depends on the server";
const PROGRAM =
  "it is served by a program that need not sync anything: the kernel answers in its place";
const LAYERS = "it may be mounted to sync nothing (volatile), and its upper layer may be anything";
const NO_JOURNAL = "it has no journal: a power cut may damage it, even if it was synced";

/** From statfs(2) and include/uapi/linux/magic.h, or from a file system's own sources. */
const KINDS: Record<number, [name: string, durable?: boolean, why?: string]> = {
  0xef53: ["ext4", true], // also ext2 and ext3, which ext4's driver mounts, too
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
  0x65735546: ["fuse", undefined, PROGRAM], // also virtiofs
  0x00c36400: ["ceph"],
  0x4d44: ["vfat", undefined, NO_JOURNAL],
  0x2011bab0: ["exfat", undefined, NO_JOURNAL],
  0x7366746e: ["ntfs3"],
};

/** Types that other machines may change. FUSE and 9p may be backed by anything. */
const SHARED = ["nfs", "cifs", "9p", "fuse", "ceph"];

/** The type with this number (`f_type`), if it is known here. */
export function fileSystemOf(type: number): FileSystem | undefined {
  // 32 bits, which some runtimes return as a signed number.
  const kind = KINDS[type >>> 0];
  if (kind === undefined) return undefined;
  const [name, durable, why = "it is not known whether its syncs can be relied on"] = kind;
  return { name, durable, why, isShared: SHARED.includes(name) };
}
