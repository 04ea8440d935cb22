// A guest in JavaScript that fetches the URL of its argument, on the interface itself.

import { connect, request } from 'sandbox:net/client@0.1.0';
import { getArguments } from 'wasi:cli/environment@0.2.12';
import { getStdout } from 'wasi:cli/stdout@0.2.12';

const encode = (text) => new TextEncoder().encode(text);
const decode = (bytes) => new TextDecoder().decode(bytes);

/** Waits until `ask` has an answer: `subscribe` says when to ask again. */
function wait(resource, ask) {
  for (;;) {
    const answer = ask();
    if (answer !== undefined) return settle(answer);
    const pollable = resource.subscribe();
    pollable.block();
    // A pollable goes before what it watches.
    pollable[Symbol.dispose]();
  }
}

/** The value of a `result` that lies within an `option`. */
function settle(result) {
  if (result.tag === 'err') throw Object.assign(new Error(result.val.tag), { payload: result.val });
  return result.val;
}

/** The whole body of a response. */
function read(exchange) {
  const stream = exchange.responseBody();
  let text = '';
  try {
    for (;;) text += decode(stream.blockingRead(65536n));
  } catch (error) {
    if (error.payload?.tag !== 'closed') throw error;
  }
  stream[Symbol.dispose]();
  return text;
}

function get(host, port, path) {
  const connection = connect(host, port, { timeout: undefined });
  wait(connection, () => connection.status());
  const head = { method: encode('GET'), path: encode(path), fields: [] };
  const exchange = request(connection, head, { tag: 'none' });
  const { status } = wait(exchange, () => exchange.head());
  const text = read(exchange);
  exchange[Symbol.dispose]();
  connection[Symbol.dispose]();
  return `${status} ${text}`;
}

function say(line) {
  const stdout = getStdout();
  stdout.blockingWriteAndFlush(encode(`${line}\n`));
  stdout[Symbol.dispose]();
}

export const run = {
  run() {
    for (const url of getArguments().slice(1)) {
      const [, host, port, path] = /^http:\/\/([^:/]+):(\d+)(\/.*)$/.exec(url);
      try {
        say(get(host, Number(port), path));
      } catch (error) {
        // What the host told; anything else is a mistake of this program.
        const told = error.payload;
        say(told?.tag === 'denied' ? `denied by ${told.val.rule}` : `failed: ${told?.tag ?? error}`);
      }
    }
  },
};
