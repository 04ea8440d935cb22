// Transpiles a component with jco into a folder beside this file, and imports it.
import { readFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { transpileBytes } from "@bytecodealliance/jco-transpile";

const folder = join(import.meta.dirname, "transpiled");

/** `asynchronous` says how jco makes what waits: without it nothing may be asynchronous. */
export async function transpiled(component, asynchronous = { asyncMode: "jspi" }) {
  const options = { name: "app", wasiShim: true, ...asynchronous };
  const { files } = await transpileBytes(await readFile(component), options);
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), bytes);
  }
  return import(pathToFileURL(join(folder, "app.js")).href);
}
