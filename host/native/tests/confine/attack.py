"""Makes one attack, by its name.

Prints `reached` if it got what it wanted, or why not; `end` shows that it ran to its end.
"""

import sys

from attacks import files, network, processes, sockets


def main():
    name = sys.argv[1]
    try:
        attack = next(
            vars(m)[name] for m in (network, sockets, processes, files) if name in vars(m)
        )
        print("reached" if attack() else "stopped", flush=True)
    except BaseException as error:
        print("stopped:", type(error).__name__, error, flush=True)
    print("end", flush=True)


if __name__ == "__main__":
    main()
