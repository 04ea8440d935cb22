// A program in JavaScript whose requests go through the middleware: send.mjs POLICY [REQUEST]...
//
// The middleware is transpiled by jco, and its export `wasi:http/client` is called from here. A request
// is written as for guest/client, and the lines are the same: STATUS BODY, or `error` with the code.
import { types } from "@bytecodealliance/preview3-shim/http";
import { FutureReader } from "@bytecodealliance/preview3-shim/future";
import { transpiled } from "./transpiled.mjs";

const [policy, ...requests] = process.argv.slice(2);
const { client } = await transpiled(policy);

for (const request of requests) {
  try {
    const response = await client.send(made(request));
    console.log(`${response.getStatusCode()}`);
  } catch (error) {
    console.log(`error ${error.tag ?? error}`);
  }
}
process.exit(0);

function made(text) {
  const [method, scheme, authority, path, ...fields] = text.split("\t");
  const headers = new types.Fields();
  for (const field of fields) {
    const [name, value] = field.split(": ");
    headers.append(name, new TextEncoder().encode(value));
  }
  const trailers = new FutureReader(Promise.resolve({ tag: "ok", val: undefined }));
  const [request] = types.Request.new(headers, undefined, trailers, undefined);
  request.setMethod({ tag: method.toLowerCase() });
  request.setScheme({ tag: scheme.toUpperCase() });
  request.setAuthority(authority);
  request.setPathWithQuery(path);
  return request;
}
