"""Makes what a program begins with its own, where the memory that it begins as is a copy."""


def start() -> None:
    """Runs in every copy, before the program."""
