"""Writes TOML."""

import tomllib

import tomli_w

data = {"a": 1, "t": {"b": ["x", 'y"']}}
print(tomllib.loads(tomli_w.dumps(data)) == data, tomli_w.dumps({"a": 1}).strip())
