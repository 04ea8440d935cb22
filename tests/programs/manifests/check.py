"""Checks Kubernetes manifests against the schemas that the package `kubernetes-validate` ships.

`check.py VERSION FILE...` prints a line for each object: kind, name, and what is wrong with it.
"""

import sys
from pathlib import Path

import kubernetes_validate
import yaml


def faults(document: dict[str, object], version: str) -> str:
    """Returns what is wrong with an object: `ok` if nothing is."""
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return f"{'.'.join(map(str, error.path))}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        return error.message
    return "ok"


def main() -> int:
    """Checks all files; returns 1 if something is wrong."""
    version, *files = sys.argv[1:]
    is_good = True
    for file in files:
        for document in yaml.safe_load_all(Path(file).read_text("utf-8")):
            fault = faults(document, version)
            name = document["metadata"]["name"]
            print(f"{Path(file).name}: {document['kind']} {name}: {fault}")
            is_good &= fault == "ok"
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
