"""A class of one's own for Ctrl-C is an exception like others."""


class Interrupt(KeyboardInterrupt):
    pass


raise Interrupt
