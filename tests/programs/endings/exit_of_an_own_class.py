"""Classes of their own for `SystemExit`."""


class Leaves(SystemExit):
    @property
    def code(self):
        print("code")
        return 12


raise Leaves(5)
