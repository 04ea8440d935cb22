// Runs what transpile.mjs made: run.mjs FOLDER MOUNTS [ARGUMENT]...
//
// MOUNTS is JSON: the host's directory for each of the guest's.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { _setArgs, _setEnv } from "@bytecodealliance/preview2-shim/cli";
import { _setPreopens } from "@bytecodealliance/preview2-shim/filesystem";

const [folder, mounts, ...args] = process.argv.slice(2);
_setArgs(["python", ...args]);
_setEnv({});
_setPreopens(JSON.parse(mounts));
const app = await import(pathToFileURL(join(folder, "app.js")).href);
app["wasi:cli/run@0.2.12"].run();
