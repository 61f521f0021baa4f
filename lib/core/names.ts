/** The names that Untorn creates: siblings of their targets, so on the same file system; pure. */

/** The longest name that common file systems allow, in bytes: `NAME_MAX`, limits.h. */
const NAME_BYTES = 255;

/** `.{name}.{12 hex}.tmp`: a file being staged for `name`. */
export function stagedFileName(name: string, token: string): string {
  return `.${fit(name, NAME_BYTES - token.length - "...tmp".length)}.${token}.tmp`;
}

/** The siblings of a directory or a lock's target (`docs/protocol.md`). */
export type Sibling = "staging" | "old" | "lock" | "history";

/** `.staging-{name}`, `.old-{name}`, `.lock-{name}`, `.history-{name}`. */
export function siblingName(sibling: Sibling, name: string): string {
  return `.${sibling}-${fit(name, siblingBytes(sibling))}`;
}

function siblingBytes(sibling: Sibling): number {
  return NAME_BYTES - sibling.length - 2;
}

/** `.trash-{12 hex}`: a tree being deleted. */
export const trashName = (token: string): string => `.trash-${token}`;

/** `.txn-{12 hex}`: a transaction being staged. */
export const transactionName = (token: string): string => `.txn-${token}`;

/** `.commit-{12 hex}`: a committed transaction, whose changes are being made. */
export const committedName = (token: string): string => `.commit-${token}`;

/** `.commit-{12 hex}` of the transaction that replaces `name` in place, found without a listing. */
export function journalName(name: string): string {
  // FNV-1a, 64 bits (draft-eastlake-fnv), cut to 48. On a collision, an operation waits or is refused.
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return committedName((hash >> 16n).toString(16).padStart(12, "0"));
}

/** `.corrupt-{name}-{12 hex}`: a version in quarantine, not removed because it may still be needed. */
export function quarantineName(name: string, token: string): string {
  return `.corrupt-${fit(name, NAME_BYTES - token.length - ".corrupt--".length)}-${token}`;
}

export interface Recognised {
  kind: Sibling | "staged file" | "corrupt" | "trash" | "transaction";
  /** The target's name; if that was too long, its start and a hash; empty if there is no target. */
  target: string;
}

const PATTERNS: [RegExp, Recognised["kind"], of: "file" | "directory"][] = [
  [/^\.(.+)\.[0-9a-f]{12}\.tmp$/s, "staged file", "file"],
  [/^\.lock-(.+)$/s, "lock", "file"],
  [/^\.staging-(.+)$/s, "staging", "directory"],
  [/^\.old-(.+)$/s, "old", "directory"],
  [/^\.history-(.+)$/s, "history", "directory"],
  [/^\.corrupt-(.+)-[0-9a-f]{12}$/s, "corrupt", "directory"],
  [/^\.trash-()[0-9a-f]{12}$/, "trash", "directory"],
  [/^\.(?:txn|commit)-()[0-9a-f]{12}$/, "transaction", "directory"],
];

/** The meaning of a file's or a directory's name, if it is one that Untorn makes. */
export function recognise(name: string, of: "file" | "directory"): Recognised | undefined {
  if (!name.startsWith(".")) return undefined;
  for (const [pattern, kind, its] of PATTERNS) {
    const target = its === of ? pattern.exec(name)?.[1] : undefined;
    // No operation accepts these as a target.
    if (target === "." || target === "..") return undefined;
    if (target !== undefined) return { kind, target };
  }
  return undefined;
}

/** Whether a name is one that Untorn makes, or could be mistaken for one. */
export function isProtocolName(name: string): boolean {
  return recognise(name, "file") !== undefined || recognise(name, "directory") !== undefined;
}

/** Whether the name of a sibling's target may have been shortened. */
export function isShortened(sibling: Sibling, target: string): boolean {
  const bytes = new TextEncoder().encode(target).length;
  // `fit` may leave up to three bytes unused, so as not to cut a character in two.
  return bytes > siblingBytes(sibling) - 4 && /~[0-9a-f]{16}$/.test(target);
}

/** Twelve hexadecimal digits, unique among processes: the random end of a UUID (RFC 9562, 5.4). */
export function newToken(): string {
  return crypto.randomUUID().slice(-12);
}

/** The name itself, or if it takes more than `limit` bytes, its start and a hash of all of it. */
function fit(name: string, limit: number): string {
  // A UTF-16 unit takes three bytes at most, so most names need no encoding to be measured.
  if (name.length * 3 <= limit) return name;
  const bytes = new TextEncoder().encode(name);
  if (bytes.length <= limit) return name;
  const { createHash } = process.getBuiltinModule("node:crypto");
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  let end = limit - hash.length - 1;
  // Cut between characters: the bytes after a character's first are 10xxxxxx.
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return `${new TextDecoder().decode(bytes.subarray(0, end))}~${hash}`;
}
