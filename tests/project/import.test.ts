/** What an import does: nothing but define; and that a URL is as good as a path. */

import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { assert, assertEquals } from "../helpers/assert.ts";
import { programCommand, project, run, runtime } from "../helpers/runtime.ts";
import { strace } from "../helpers/strace.ts";
import { inTemp } from "../helpers/temp.ts";

test("the import registers no listener and keeps no process alive", async () => {
  const { code, stdout, stderr } = await run(programCommand("tests/fixtures/import.ts"));
  assertEquals([code, stdout, stderr], [0, "no listeners\n", ""]);
});

test(
  "the import needs no permission",
  { skip: runtime === "deno" ? false : "only Deno asks for permissions by default" },
  async () => {
    const { code, stderr } = await run(programCommand("mod.ts", [], []));
    assertEquals([code, stderr], [0, ""]);
  },
);

test(
  "the import creates, changes and removes no file",
  { skip: strace.missing },
  inTemp(async (dir) => {
    const log = join(dir, "log");
    const { code } = await run(strace.log(log, programCommand("tests/fixtures/import.ts")));
    assertEquals(code, 0);
    const calls = readFileSync(log, "utf8").split("\n");
    assert(calls.some((line) => line.includes(join(project, "mod.ts"))), "the import was not seen");
    const change = /O_WRONLY|O_RDWR|O_CREAT|\b(mkdir|rename|unlink|link|symlink)(at2?)?\(/;
    const changed = calls.filter((line) => line.includes(project) && change.test(line));
    assertEquals(changed, []);
  }),
);

test(
  "mod.ts and cli.ts work by URL, with the permissions of the file's directory alone",
  { skip: runtime === "deno" ? false : "only Deno imports from URLs" },
  inTemp(async (dir) => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url!);
      try {
        const body = readFileSync(join(project, request.url!));
        response.writeHead(200, { "content-type": "application/typescript" }).end(body);
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const host = `127.0.0.1:${port}`;
      const main = join(dir, "main.ts");
      const deno = [...programCommand("mod.ts", [], ["--no-config"]).slice(0, -1)];
      const env = { ...process.env, DENO_DIR: join(dir, "cache") };

      writeFileSync(main, `import "http://${host}/mod.ts";\nconsole.log("imported");\n`);
      const bare = await run([...deno, `--allow-import=${host}`, main], "", { env });
      assertEquals([bare.code, bare.stdout, bare.stderr], [0, "imported\n", ""]);
      assert(asked.includes("/mod.ts") && asked.every((path) => path.endsWith(".ts")), `${asked}`);

      const file = join(dir, "data/file.json");
      const scope = [`--allow-read=${dir}`, `--allow-write=${dir}`];
      writeFileSync(
        main,
        `import { atomicWriteJson } from "http://${host}/mod.ts";\n` +
          `await atomicWriteJson(${JSON.stringify(file)}, { by: "url" }, { indent: 0 });\n`,
      );
      const used = await run([...deno, `--allow-import=${host}`, ...scope, main], "", { env });
      assertEquals([used.code, used.stderr], [0, ""]);
      assertEquals(readFileSync(file, "utf8"), '{"by":"url"}\n');

      const command = [...deno, ...scope, `http://${host}/cli.ts`, "write", file];
      const cli = await run(command, "from the command", { env });
      assertEquals([cli.code, cli.stderr], [0, ""]);
      assertEquals(readFileSync(file, "utf8"), "from the command");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }),
);
