/** A writer with a thread of its own: replaces its file by the bound's calls, all at once, as often as it is told. */

import { parentPort, workerData } from "node:worker_threads";
import { boundSync } from "./bound.ts";

const { path, content } = workerData as { path: string; content: Uint8Array };

parentPort!.on("message", (times: number) => {
  for (let i = 0; i < times; i++) boundSync(path, content, "full");
  parentPort!.postMessage(times);
});
