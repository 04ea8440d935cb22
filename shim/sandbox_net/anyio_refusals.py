"""Shows refusals that anyio would hide.

Its `BrokenResourceError` has no text, and httpcore keeps only the text; a TLS stream that was
refused later raises errors that do not name the refusal.
"""

import sys
from typing import Any, Final

from .errors import is_refusal

_MET: Final = "_sandbox_net_met"


def adapt() -> None:
    """Makes anyio show refusals if it is loaded. Doing it again changes nothing."""
    broken: Any = getattr(sys.modules.get("anyio"), "BrokenResourceError", None)
    if broken is not None and broken.__str__ is Exception.__str__:
        broken.__str__ = _text
    stream: Any = getattr(sys.modules.get("anyio.streams.tls"), "TLSStream", None)
    if broken is not None and stream is not None and not hasattr(stream, _MET):
        setattr(stream, _MET, None)
        stream.send = _remembering(stream.send, broken)
        stream.receive = _remembering(stream.receive, broken)


def _text(self: BaseException) -> str:
    return Exception.__str__(self) or (str(self.__cause__) if is_refusal(self.__cause__) else "")


def _remembering(stock: Any, broken: type[Exception]) -> Any:
    async def call(self: Any, *args: Any, **options: Any) -> Any:
        try:
            return await stock(self, *args, **options)
        except broken as error:
            if is_refusal(error.__cause__):
                setattr(self, _MET, error.__cause__)
            elif error.__cause__ is None and (met := getattr(self, _MET)) is not None:
                error.__cause__ = met
            raise

    return call
