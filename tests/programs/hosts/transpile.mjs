// Makes JavaScript of a component with jco, whose policy may be beside it: transpile.mjs COMPONENT FOLDER
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { transpileBytes } from "@bytecodealliance/jco-transpile";

const [component, folder] = process.argv.slice(2);
const { files } = await transpileBytes(await readFile(component), {
  name: "app",
  wasiShim: true,
  // CPython is built with the exceptions of WebAssembly in their final form.
  bindgenEnableWasmExnref: true,
  map: { "sandbox:net/policy@0.1.0": "../policy.mjs" },
});
for (const [name, bytes] of Object.entries(files)) {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), bytes);
}
await writeFile(join(folder, "package.json"), '{"type": "module"}');
