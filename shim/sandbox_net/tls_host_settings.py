"""The settings of an `_ssl._SSLContext` that the host decides: they are read, or refused."""

import os
from typing import Any, Final

from .ssl_errors import refused_setting
from .trust import read_file

_STATS: Final = (
    "number",
    "connect",
    "connect_good",
    "connect_renegotiate",
    "accept",
    "accept_good",
    "accept_renegotiate",
    "hits",
    "misses",
    "timeouts",
    "cache_full",
)


class HostSettings:
    """Settings that a program in a sandbox cannot change."""

    @property
    def keylog_filename(self) -> None:
        return None

    @keylog_filename.setter
    def keylog_filename(self, value: object) -> None:
        if value is not None:
            raise refused_setting("the keys of a TLS session stay with the host")

    def set_ecdh_curve(self, name: str | bytes, /) -> None:
        """Refused: the host chooses the groups."""
        raise refused_setting("the groups of the key exchange are the host's choice")

    set_groups = set_ecdh_curve

    def set_client_sigalgs(self, value: str, /) -> None:
        """Refused: the host chooses the signature algorithms."""
        raise refused_setting("the signature algorithms are the host's choice")

    set_server_sigalgs = set_client_sigalgs

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """Returns the groups of the key exchange, which the host does not disclose."""
        return []

    def load_dh_params(self, path: Any, /) -> None:
        """Refused: only servers use them."""
        read_file(os.fsdecode(path))
        raise refused_setting("there are no TLS servers in a sandbox")

    def _set_psk_callback(self, callback: object, identity_hint: object = None) -> None:
        if callback is not None:
            raise refused_setting("pre-shared keys are not carried")

    set_psk_client_callback = set_psk_server_callback = _set_psk_callback

    def session_stats(self) -> dict[str, int]:
        """Returns counts of sessions, which the host keeps."""
        return dict.fromkeys(_STATS, 0)
