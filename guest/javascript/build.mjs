// Makes a component of fetch.js: `node build.mjs NODE_MODULES WIT OUT`. The first has the package
// @bytecodealliance/componentize-js, the second the world `network-command`.

import { readFile, writeFile } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';

const [packages, wit, out] = process.argv.slice(2);
const found = `${packages}/@bytecodealliance/componentize-js/src/componentize.js`;
const { componentize } = await import(pathToFileURL(found));
const source = await readFile(new URL('fetch.js', import.meta.url), 'utf8');
const { component } = await componentize(source, {
  witPath: wit,
  worldName: 'network-command',
  // What the interpreter would import besides: the guest has sandbox:net instead.
  disableFeatures: ['clocks', 'fetch-event', 'http', 'random', 'stdio'],
});
await writeFile(out, component);
