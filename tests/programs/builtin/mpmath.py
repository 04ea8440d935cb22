"""Fifty digits of pi, and an integral."""

import mpmath

mpmath.mp.dps = 50
print(mpmath.mp.pi)
print(mpmath.nstr(mpmath.quad(lambda x: mpmath.exp(-(x**2)), [-mpmath.inf, mpmath.inf]) ** 2, 20))
