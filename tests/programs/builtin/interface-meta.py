"""A class that has to fit its interface."""

from interface_meta import InterfaceMeta, override


class Base(metaclass=InterfaceMeta):
    INTERFACE_RAISE_ON_VIOLATION = True

    def do(self, x):
        pass


class Good(Base):
    @override
    def do(self, x):
        return x


print(Good().do("fits"))
try:

    class Bad(Base):
        @override
        def do(self, y, z):
            pass

except Exception as error:
    print(type(error).__name__)
