// The policy of a host in JavaScript: one function. What it throws is the denial.
export function decide({ tag, val }) {
  const host = tag === "resolve" ? val : tag === "send" ? val.to.host : val.host;
  if (host !== "127.0.0.1") {
    throw { reason: "no-rule", rule: "policy.mjs", message: `policy.mjs does not allow ${host}` };
  }
}
