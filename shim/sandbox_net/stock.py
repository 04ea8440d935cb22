"""CPython's own `_socket` and `select`, found before the stand-ins replace them.

The stand-ins use what needs no network from them: exceptions, byte order, address text, the default
timeout and every constant.
"""

import _socket
import select
import types

SOCKET: types.ModuleType = _socket
SELECT: types.ModuleType = select

gaierror: type[OSError] = _socket.gaierror
herror: type[OSError] = _socket.herror
