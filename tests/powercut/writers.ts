/**
 * writers.ts setup DIR: makes generation 0 of eight files in one directory.
 * writers.ts run DIR DURABILITY: each gets four more, all of them at a time, so that they share syncs;
 * writes the acknowledged generation of each to $CRASHLAB_MARK whenever one is acknowledged.
 * writers.ts check DIR LAST: cleans up after a power cut. Each file is whole, and not older than what was
 * acknowledged; else the last line of output says `category: text`.
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { atomicWrite, atomicWriteSync, cleanupSync, type Durability } from "../../mod.ts";

const [mode, place, last] = process.argv.slice(2) as [string, string, string | undefined];
const dir = join(place, "root");
const names = Array.from({ length: 8 }, (_, i) => `file${i}`);

/** What a file holds in a generation: some of it in a second block. */
function content(name: string, generation: number): string {
  return `${name}: ${generation}\n`.repeat(500);
}

async function write(): Promise<void> {
  const acknowledged = names.map(() => 0);
  await Promise.all(names.map(async (name, i) => {
    for (let generation = 1; generation <= 4; generation++) {
      const durability = last as Durability;
      await atomicWrite(join(dir, name), content(name, generation), { durability });
      acknowledged[i] = generation;
      writeFileSync(process.env.CRASHLAB_MARK!, acknowledged.join("-"));
    }
  }));
}

function check(): void {
  cleanupSync(dir, { minAge: 0 });
  const least = last === "none" ? names.map(() => 0) : last!.split("-").map(Number);
  for (const [i, name] of names.entries()) {
    const found = readFileSync(join(dir, name), "utf8");
    const generation = Number(/: (\d+)\n/.exec(found)?.[1]);
    if (found !== content(name, generation)) throw new Error(`torn: ${name}`);
    if (generation < least[i]!) {
      throw new Error(`lost: ${name} is ${generation}, and ${least[i]} was acknowledged`);
    }
  }
  const others = readdirSync(dir).filter((name) => !names.includes(name));
  if (others.length > 0) throw new Error(`left: ${others.join(", ")}`);
}

if (mode === "setup") {
  for (const name of names) atomicWriteSync(join(dir, name), content(name, 0));
} else if (mode === "run") await write();
else {
  try {
    check();
  } catch (error) {
    console.log((error as Error).message);
    process.exit(1);
  }
}
