"""Runs a component with wasmtime-py: run.py COMPONENT CACHE MOUNTS [ARGUMENT]...

CACHE gets the compiled component, and is used again if it is there. MOUNTS is JSON: the host's
directory for each of the guest's.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from wasmtime import Config, Engine, ExitTrap, Store, WasiConfig
from wasmtime.component import Component, Linker


def compiled(engine: Engine, component: Path, cache: Path) -> Component:
    """Return the component, compiled now or before."""
    if not cache.exists():
        made = cache.with_suffix(f".{os.getpid()}")
        made.write_bytes(Component.from_file(engine, str(component)).serialize())
        made.replace(cache)
    return Component.deserialize_file(engine, str(cache))


def main() -> int:
    """Run the component; return its exit code."""
    component, cache, mounts, *arguments = sys.argv[1:]
    config = Config()
    config.wasm_exceptions = True
    config.wasm_component_model = True
    config.cranelift_opt_level = "none"  # the programs are short, and compiling is not
    engine = Engine(config)
    linker = Linker(engine)
    linker.add_wasip2()
    linker.add_wasi_http()
    store = Store(engine)
    wasi = WasiConfig()
    wasi.argv = ["python", *arguments]
    for guest, host in json.loads(mounts).items():
        wasi.preopen_dir(host, guest, fs_mutable=False)
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    store.set_wasi_http()
    instance = linker.instantiate(store, compiled(engine, Path(component), Path(cache)))
    interface = instance.get_export_index(store, "wasi:cli/run@0.2.12")
    run = instance.get_func(store, instance.get_export_index(store, "run", interface))
    assert run is not None
    try:
        run(store)
    except ExitTrap as ended:
        return ended.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
