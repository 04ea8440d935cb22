"""An exception with a cause, a context and notes."""

try:
    try:
        raise KeyError("first")
    except KeyError:
        raise ValueError("second") from OSError("cause")
except ValueError as error:
    error.add_note("a note")
    raise RuntimeError("third") from error
