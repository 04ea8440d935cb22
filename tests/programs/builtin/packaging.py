"""Versions, specifiers and requirements."""

from packaging.requirements import Requirement
from packaging.version import Version

need = Requirement("a[b]>=1.2,<2; python_version > '3'")
print(Version("1.10") > Version("1.9rc1"), "1.5" in need.specifier)
print(need.extras, need.marker.evaluate())
