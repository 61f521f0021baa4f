/** holder.ts PATH: takes the lock of PATH, says so, and keeps it as long as it lives. */

import { lockSync } from "../../mod.ts";

const held = lockSync(process.argv[2]!, { wait: 60_000 });
console.log(held.locked ? "held" : "no locks");
setInterval(() => {}, 1000);
