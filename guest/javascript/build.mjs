// Makes a component of a program: `node build.mjs NODE_MODULES WIT WORLD PROGRAM OUT`. The first has the package
// @bytecodealliance/componentize-js. The world is `command` for a program that sends by `fetch`, and `network-command`
// for one that has `sandbox:net` instead.

import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const [packages, witPath, worldName, program, out] = process.argv.slice(2);
const found = `${packages}/@bytecodealliance/componentize-js/src/componentize.js`;
const { componentize } = await import(pathToFileURL(found));
const source = await readFile(program, 'utf8');
// What the interpreter would import besides.
const unused = { command: ['fetch-event'], 'network-command': ['clocks', 'fetch-event', 'http', 'random', 'stdio'] };
const { component } = await componentize(source, { witPath, worldName, disableFeatures: unused[worldName] });
await writeFile(out, component);
