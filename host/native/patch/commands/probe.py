"""Prints what the patcher has to know about this interpreter, as one line of JSON.

The patcher passes this file's text with `-c`, with the routing off.
"""

import json
import os
import site
import sys
import sysconfig


def _site_packages():
    """Returns the folder of packages that this interpreter searches."""
    places = [sysconfig.get_paths()["purelib"]]
    places += getattr(site, "getsitepackages", list)()
    found = [place for place in places if place in sys.path]
    return (found or places)[0]


def _user_site():
    try:
        return site.getusersitepackages()
    except Exception:
        return None


def main():
    """Prints it."""
    told = {
        "version": ".".join(str(number) for number in sys.version_info[:3]),
        "executable": os.path.abspath(sys.executable),
        "site_packages": _site_packages(),
        "user_site": _user_site(),
        "user_site_enabled": bool(site.ENABLE_USER_SITE),
    }
    print("\nsandbox-net-probe: " + json.dumps(told))


main()
