// Calls `wasi:cli/run` of a component of WASI 0.2: run_p2.mjs COMPONENT [ARGUMENT]...
import { _setArgs } from "@bytecodealliance/preview2-shim/cli";
import { transpiled } from "./transpiled.mjs";

const [component, ...requests] = process.argv.slice(2);
_setArgs(["app.wasm", ...requests]);
const app = await transpiled(component, {});
app.run.run();
process.exit(0);
