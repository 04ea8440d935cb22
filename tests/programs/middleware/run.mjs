// Calls `wasi:cli/run` of a component: run.mjs COMPONENT [ARGUMENT]...
import { _setArgs } from "@bytecodealliance/preview3-shim/cli";
import { transpiled } from "./transpiled.mjs";

const [component, ...requests] = process.argv.slice(2);
_setArgs(["app.wasm", ...requests]);
const app = await transpiled(component);
await app.run.run();
process.exit(0);
