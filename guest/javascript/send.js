// A guest in JavaScript that knows nothing of sandbox-net: it sends the requests of its arguments by `fetch`, which
// componentize-js puts onto `wasi:http/outgoing-handler`, and writes a line about each. An argument is `METHOD URL`.

import { getArguments } from 'wasi:cli/environment@0.2.12';
import { getStdout } from 'wasi:cli/stdout@0.2.12';

async function line(argument) {
  const [method, url] = argument.split(' ');
  try {
    const response = await fetch(url, { method, body: method === 'POST' ? 'a body' : undefined });
    return `${response.status} ${await response.text()}`;
  } catch (error) {
    return `error ${error}`;
  }
}

export const run = {
  async run() {
    for (const argument of getArguments().slice(1)) {
      const text = (await line(argument)).replaceAll('\n', ' ');
      getStdout().blockingWriteAndFlush(new TextEncoder().encode(`${text}\n`));
    }
  },
};
