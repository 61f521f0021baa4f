/** adder.ts FILE NAME COUNT: adds COUNT lines to a file, one by one, each with the name and its number. */

import { updateFile } from "../../mod.ts";

const [file, name, count] = process.argv.slice(2) as [string, string, string];
for (let i = 0; i < Number(count); i++) {
  await updateFile(
    file,
    (bytes) => `${new TextDecoder().decode(bytes)}${name}${i}\n`,
    { durability: "none", wait: 60_000 },
  );
}
