"""Shows a value: as text, as JSON where it has that form, and in the forms that IPython shows."""

import base64
import json
import math
import sys
import traceback
from collections.abc import Mapping
from typing import Any, Final

from .session_wire import Reply

# IPython's formatters, by their types.
_METHODS: Final = {
    "text/html": "_repr_html_",
    "text/markdown": "_repr_markdown_",
    "image/svg+xml": "_repr_svg_",
    "image/png": "_repr_png_",
    "application/pdf": "_repr_pdf_",
    "image/jpeg": "_repr_jpeg_",
    "text/latex": "_repr_latex_",
    "application/json": "_repr_json_",
    "application/javascript": "_repr_javascript_",
}
_BUNDLE: Final = "_repr_mimebundle_"
# Who has even this attribute has every one.
_CANARY: Final = "_ipython_canary_method_should_not_exist_"
# These have no other forms.
_PLAIN: Final = frozenset(
    {int, float, complex, bool, str, bytes, list, tuple, dict, set, frozenset, range}
)


def show(value: Any, reply: Reply) -> None:
    """Adds the forms of a value to a reply, and lets a display hook of the program's see it."""
    kind = type(value)
    text = repr(value)
    reply.shows(text)
    # Whoever has no room for the text has none for the JSON of the same.
    if reply.has_room(len(text)):
        form = _json(kind, value, text)
        if form is not None:
            reply.has_json(form)
    if kind not in _PLAIN and not isinstance(value, type):
        for mime, data in forms(value).items():
            reply.has_form(mime, data)
    hook = sys.displayhook
    if hook is not sys.__displayhook__:
        hook(value)


def _json(kind: type, value: Any, text: str) -> str | None:
    if kind is int:
        return text
    if kind is float:
        return text if math.isfinite(value) else None
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


def forms(value: Any) -> dict[str, str]:
    """The bundle of a value, without its plain text: binary data in base64, as in notebooks."""
    if _method(value, _CANARY) is not None:
        return {}
    found: dict[str, str] = {}
    bundle = _called(value, _BUNDLE, include=None, exclude=None)
    if isinstance(bundle, Mapping):
        for mime, data in bundle.items():
            _add(found, str(mime), data)
    for mime, name in _METHODS.items():
        if mime not in found:
            _add(found, mime, _called(value, name))
    found.pop("text/plain", None)
    return found


def _method(value: Any, name: str) -> Any:
    try:
        method = getattr(value, name, None)
    except Exception:  # the program's own
        return None
    return method if callable(method) else None


def _called(value: Any, name: str, **arguments: Any) -> Any:
    """What the method returns, without its metadata. Its error is printed, as in IPython."""
    method = _method(value, name)
    if method is None:
        return None
    try:
        data = method(**arguments)
    except NotImplementedError:
        return None
    except Exception:  # the program's own
        traceback.print_exc()
        return None
    return data[0] if isinstance(data, tuple) and data else data


def _add(found: dict[str, str], mime: str, data: Any) -> None:
    if isinstance(data, bytes):
        found[mime] = base64.b64encode(data).decode("ascii")
    elif isinstance(data, str):
        found[mime] = data
    elif data is not None:
        try:
            found[mime] = json.dumps(data, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            return
