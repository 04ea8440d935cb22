"""Turns sandbox-net's routing on, and then runs the `sitecustomize` that this file stands before.

`sandbox-net native install` put this file here; `sandbox-net native uninstall` removes it. Nothing
in it can stop the interpreter: where the routing fails, one line on stderr says so.
"""

try:
    import sandbox_net_native

    sandbox_net_native.activate()
except Exception as error:
    import sys

    if sys.stderr is not None:
        sys.stderr.write(f"sandbox-net: the routing is off: {error!r}\n")


def _chain():
    """Runs the next `sitecustomize` in the place of this one; its errors are its own."""
    import _frozen_importlib as bootstrap
    import _frozen_importlib_external as external
    import sys

    folder, _, _ = __file__.rpartition("/")
    spec = external.PathFinder.find_spec("_sandbox_net_original_sitecustomize", [folder])
    if spec is None:
        places = list(sys.path)
        here = [at for at, place in enumerate(places) if place.rstrip("/") == folder]
        later = places[here[-1] + 1 :] if here else []
        spec = external.PathFinder.find_spec("sitecustomize", later)
    if spec is None or spec.loader is None or spec.origin == __file__:
        return
    spec = external.spec_from_file_location("sitecustomize", spec.origin)
    module = bootstrap.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


_chain()
