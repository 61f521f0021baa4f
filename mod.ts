/**
 * Untorn: files and directories that are never half-written. A reader, and whoever comes after a crash, finds the
 * whole old version or the whole new one, never a mixture, never nothing.
 *
 * @example
 * ```ts
 * import { atomicWrite, atomicWriteJson, stageFile } from "@untorn/untorn";
 * import { mkdtemp, rm } from "node:fs/promises";
 *
 * const dir = await mkdtemp("untorn-example-");
 * await atomicWrite(`${dir}/notes.txt`, "whole or not at all\n");
 * await atomicWriteJson(`${dir}/state.json`, { version: 1 });
 * const staged = await stageFile(`${dir}/log.txt`);
 * await staged.write("first\n");
 * await staged.write("second\n");
 * await staged.commit();
 * await rm(dir, { recursive: true });
 * ```
 *
 * @module
 */

export {
  atomicWrite,
  atomicWriteJson,
  atomicWriteJsonSync,
  atomicWriteSync,
} from "./lib/atomic_write.ts";
export { type Capabilities, capabilities, capabilitiesSync } from "./lib/capabilities.ts";
export { cleanup, cleanupSync, inspect, inspectSync } from "./lib/cleanup.ts";
export type { CleanupOptions, CleanupProgress } from "./lib/cleanup_options.ts";
export type { Chunk, Content, SyncContent } from "./lib/content.ts";
export type {
  DirOptions,
  DirProgress,
  PersistResult,
  RemoveOptions,
  RollbackOptions,
} from "./lib/dir_options.ts";
export type { Durability, LockOptions } from "./lib/options.ts";
export type {
  Changed,
  PartOptions,
  TransactionOptions,
  TransactionResult,
} from "./lib/transaction_options.ts";
export { type Outcome, UntornError, type UntornErrorInit } from "./lib/errors.ts";
export type {
  FileOptions,
  JsonOptions,
  UpdateJsonOptions,
  UpdateOptions,
  WriteResult,
} from "./lib/file_options.ts";
export { lock, lockSync, type PathLock, type PathLockSync } from "./lib/lock_path.ts";
export type { Progress } from "./lib/block_writer.ts";
export type { Entries, SyncEntries } from "./lib/entries.ts";
export { persistDir, persistDirSync } from "./lib/persist_dir.ts";
export { readStable, readStableSync } from "./lib/read_stable.ts";
export { atomicRemove, atomicRemoveSync, type RemoveResult } from "./lib/remove.ts";
export {
  history,
  historySync,
  type KeptVersion,
  rollback,
  type RollbackResult,
  rollbackSync,
} from "./lib/rollback.ts";
export { type StagedDir, type StagedDirSync, stageDir, stageDirSync } from "./lib/staged_dir.ts";
export {
  type StagedFile,
  type StagedFileSync,
  stageFile,
  stageFileSync,
} from "./lib/staged_file.ts";
export type { CleanupItem, CleanupReport } from "./lib/report.ts";
export type { Swap } from "./lib/swap.ts";
export {
  type ChangeOptions,
  type Filler,
  type FillerSync,
  type Transaction,
  transaction,
  type TransactionSync,
  transactionSync,
} from "./lib/transaction.ts";
export {
  updateFile,
  updateFileSync,
  updateJson,
  updateJsonSync,
  type UpdateResult,
} from "./lib/update.ts";
