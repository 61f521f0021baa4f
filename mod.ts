/**
 * Untorn: files and directories that are never half-written. Readers always see the complete old version or
 * the complete new one, never a mixture, never nothing, even after a crash, a full disk or a power failure.
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
} from "./lib/file/atomic_write.ts";
export { type Capabilities, capabilities, capabilitiesSync } from "./lib/doctor/capabilities.ts";
export { cleanup, cleanupSync, inspect, inspectSync } from "./lib/recovery/cleanup.ts";
export type { CleanupOptions, CleanupProgress } from "./lib/recovery/cleanup_options.ts";
export type { Chunk, Content, SyncContent } from "./lib/stage/content.ts";
export type {
  DirOptions,
  DirProgress,
  PersistResult,
  RemoveOptions,
  RollbackOptions,
} from "./lib/dir/dir_options.ts";
export type { Durability, LockOptions } from "./lib/core/options.ts";
export type {
  ChangeOptions,
  TransactionChange,
  TransactionDirOptions,
  TransactionOptions,
  TransactionResult,
} from "./lib/transaction/transaction_options.ts";
export { type Outcome, UntornError, type UntornErrorInit } from "./lib/core/errors.ts";
export type {
  FileOptions,
  JsonOptions,
  UpdateJsonOptions,
  UpdateOptions,
  WriteResult,
} from "./lib/file/file_options.ts";
export { lock, lockSync, type PathLock, type PathLockSync } from "./lib/lock/lock.ts";
export type { Progress } from "./lib/stage/block_writer.ts";
export type { DirEntries, SyncDirEntries } from "./lib/stage/entries.ts";
export { persistDir, persistDirSync } from "./lib/dir/persist_dir.ts";
export { readStable, readStableSync } from "./lib/dir/read_stable.ts";
export { atomicRemove, atomicRemoveSync, type RemoveResult } from "./lib/dir/atomic_remove.ts";
export {
  history,
  historySync,
  type KeptVersion,
  rollback,
  type RollbackResult,
  rollbackSync,
} from "./lib/dir/rollback.ts";
export { type StagedDir, type StagedDirSync, stageDir, stageDirSync } from "./lib/dir/stage_dir.ts";
export {
  type StagedFile,
  type StagedFileSync,
  stageFile,
  stageFileSync,
} from "./lib/file/stage_file.ts";
export type { CleanupItem, CleanupReport } from "./lib/recovery/report.ts";
export type { SwapMethod } from "./lib/fs/swap.ts";
export { transaction, transactionSync } from "./lib/transaction/transaction.ts";
export type {
  DirWriter,
  DirWriterSync,
  Transaction,
  TransactionSync,
} from "./lib/transaction/transaction_steps.ts";
export {
  updateFile,
  updateFileSync,
  updateJson,
  updateJsonSync,
  type UpdateResult,
} from "./lib/file/update_file.ts";
