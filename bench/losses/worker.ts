/**
 * worker.ts JOB PACKAGE ARGUMENTS: one job with one package, in a process of its own (Node). Prints what
 * came of it as a line of JSON. It ends when its input does, so that none outlives who started it.
 */

import { once } from "node:events";
import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { type Swap, swaps, type Writer, writers } from "./packages.ts";

/** What a job is told. */
export interface Arguments {
  dir: string;
  /** How many times. */
  count?: number;
  /** How many files at once. */
  files?: number;
  /** Bytes of each content. */
  size?: number;
  /** What each content is made of. */
  letter?: string;
  mode?: number;
}

type Counts = Record<string, number>;

/** The code of the error with which a call failed, or undefined. */
async function failure(
  call: () => Promise<unknown>,
): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code ?? message;
  }
}

/** How a call ends within a time. */
async function end(call: () => Promise<unknown>): Promise<string> {
  const never = new Promise<string>((resolve) => setTimeout(() => resolve("never"), 1500));
  return await Promise.race([
    failure(call).then((code) => code ?? "done"),
    never,
  ]);
}

/** What is at a path, against the old content and the new. */
function compare(path: string, old: Uint8Array, wanted: Uint8Array): string {
  let found: Uint8Array;
  try {
    found = readFileSync(path);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "missing" : "unreadable";
  }
  if (Buffer.compare(found, old) === 0) return "old";
  if (Buffer.compare(found, wanted) === 0) return "new";
  const part = Buffer.compare(found, wanted.subarray(0, found.length)) === 0;
  return `${found.length} of ${wanted.length} ${part ? "" : "other "}bytes`;
}

/** Replaces an old file by 600 KiB. */
async function fill({ write }: Writer, { dir }: Arguments): Promise<object> {
  const path = join(dir, "file");
  const [old, wanted] = [
    Buffer.alloc(100 * 1024, "o"),
    Buffer.alloc(600 * 1024, "n"),
  ];
  writeFileSync(path, old);
  const error = await failure(() => write(path, wanted));
  return { error, found: compare(path, old, wanted) };
}

/** Writes one file many times. */
async function repeat(
  { write }: Writer,
  { dir, count, size, letter }: Arguments,
): Promise<Counts> {
  const errors: Counts = {};
  const content = Buffer.alloc(size!, letter);
  console.log("ready");
  for (let i = 0; i < count!; i++) {
    const code = await failure(() => write(join(dir, "file"), content));
    if (code !== undefined) errors[code] = (errors[code] ?? 0) + 1;
  }
  return errors;
}

/** Two threads, each with files of its own, which no other writes; they start at the same moment. */
async function threads(given: Arguments): Promise<Counts> {
  const workers = [0, 1].map((n) => {
    const workerData = ["verify", process.argv[3], {
      ...given,
      letter: String(n),
    }];
    return new Worker(fileURLToPath(import.meta.url), { workerData });
  });
  const messages = (): Promise<Counts[]> =>
    Promise.all(
      workers.map(async (worker) => (await once(worker, "message"))[0] as Counts),
    );
  await messages();
  const results = messages();
  for (const worker of workers) worker.postMessage("go");
  const [one, two] = await results;
  return {
    failed: one!.failed! + two!.failed!,
    wrong: one!.wrong! + two!.wrong!,
  };
}

async function verify(
  { write }: Writer,
  { dir, count, files, letter }: Arguments,
): Promise<Counts> {
  parentPort!.postMessage("ready");
  await once(parentPort!, "message");
  let [failed, wrong] = [0, 0];
  const check = async (path: string, content: string): Promise<void> => {
    if (await failure(() => write(path, Buffer.from(content))) !== undefined) {
      failed++;
    } else if (readFileSync(path, "utf8") !== content) wrong++;
  };
  for (let i = 0; i < count!; i++) {
    await Promise.all(Array.from({ length: files! }, (_, n) => {
      const name = `file${letter}-${n}`;
      return check(join(dir, name), `${name}: ${i}\n`.repeat(500));
    }));
  }
  return { failed, wrong };
}

/** Writes with a link at the name that its temporary file is going to have, if that is known. */
async function plant(
  { write, firstTemp }: Writer,
  { dir }: Arguments,
): Promise<object> {
  const [path, victim] = [join(dir, "file"), join(dir, "victim")];
  writeFileSync(path, "old");
  writeFileSync(victim, "precious");
  if (firstTemp !== undefined) symlinkSync(victim, firstTemp(path));
  const error = await failure(() => write(path, Buffer.from("new")));
  return {
    predictable: firstTemp !== undefined,
    victim: readFileSync(victim, "utf8"),
    error,
  };
}

/** Replaces a file of some mode, often enough for somebody to look on. */
async function keepMode(
  { write }: Writer,
  { dir, mode }: Arguments,
): Promise<object> {
  process.umask(0o022);
  const path = join(dir, "file");
  writeFileSync(path, "old", { mode });
  console.log("ready");
  const content = Buffer.alloc(8 * 1024 * 1024, "n");
  let error: string | undefined;
  for (let i = 0; i < 10; i++) {
    error ??= await failure(() => write(path, content));
  }
  return {
    error,
    mode: statSync(path).mode & 0o777,
    dirMode: statSync(dir).mode & 0o777,
  };
}

async function keepLink(
  { write }: Writer,
  { dir }: Arguments,
): Promise<object> {
  const [path, real] = [join(dir, "file"), join(dir, "real")];
  writeFileSync(real, "old");
  symlinkSync("real", path);
  const error = await failure(() => write(path, Buffer.from("new")));
  const link = lstatSync(path).isSymbolicLink();
  return { error, link, real: readFileSync(real, "utf8") };
}

/** Writes from a stream that fails, then in the usual way. */
async function stream(
  { write, writeStream }: Writer,
  { dir }: Arguments,
): Promise<object> {
  const uncaught: string[] = [];
  process.on("uncaughtException", (error) => uncaught.push(error.message));
  const path = join(dir, "file");
  writeFileSync(path, "old");
  const source = Readable.from((function* () {
    yield "new ";
    throw Object.assign(new Error("the source failed"), { code: "SOURCE" });
  })());
  const ended = await end(() => writeStream!(path, source));
  const found = readFileSync(path, "utf8");
  const next = await end(() => write(path, Buffer.from("next")));
  return { ended, found, uncaught: uncaught.length, next };
}

async function numbers({ write }: Writer, { dir }: Arguments): Promise<object> {
  const content = Uint16Array.from({ length: 1000 }, (_, i) => i);
  const path = join(dir, "file");
  const error = await failure(() => write(path, content));
  const bytes = new Uint8Array(content.buffer);
  return { error, found: compare(path, new Uint8Array([0]), bytes) };
}

async function clean(writer: Writer, { dir }: Arguments): Promise<object> {
  await writer.write(join(dir, "file"), "small");
  await writer.cleanup?.(dir);
  return {};
}

/** Replaces a directory of 40 files, again and again. */
async function swapOften(
  swap: Swap,
  { dir, count }: Arguments,
): Promise<Counts> {
  const target = join(dir, "target");
  let [failed, byRename] = [0, 0];
  for (let i = 0; i <= count!; i++) {
    const names = Array.from(
      { length: 40 },
      (_, n) => [`f${n}`, `version ${i}`],
    );
    const code = await failure(async () => {
      const result = await swap(target, Object.fromEntries(names));
      if ((result as { swap?: string } | undefined)?.swap === "rename") {
        byRename++;
      }
    });
    if (code !== undefined) failed++;
    if (i === 0) console.log("ready");
  }
  return { failed, byRename };
}

type Work = (writer: Writer, given: Arguments) => Promise<object>;

const jobs: Record<string, Work> = {
  fill,
  repeat,
  verify,
  plant,
  keepMode,
  keepLink,
  stream,
  numbers,
  clean,
  threads: (_, given) => threads(given),
};

async function work(
  job: string,
  name: string,
  given: Arguments,
): Promise<object> {
  if (job === "swapOften") return await swapOften(await swaps[name]!(), given);
  return await jobs[job]!(await writers[name]!(), given);
}

if (isMainThread) {
  process.stdin.on("close", () => process.exit(1)).resume();
  const [job, name, given] = process.argv.slice(2);
  console.log(JSON.stringify(await work(job!, name!, JSON.parse(given!))));
  process.exit(0);
} else {
  const [job, name, given] = workerData as [string, string, Arguments];
  parentPort!.postMessage(await work(job, name, given));
}
