"""Reads and writes YAML."""

import yaml

text = "a: [1, 2.5, yes]\nb: &x {c: ü}\nd: *x\n"
print(yaml.safe_load(text), yaml.safe_dump({"a": [1]}, default_flow_style=True).strip())
print(yaml.__with_libyaml__ in (True, False))
