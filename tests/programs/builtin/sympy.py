"""Solves, differentiates, integrates, and turns formulas to functions and LaTeX."""

import sympy as sp

x = sp.symbols("x")
print(sp.solve(x**2 - 2), sp.diff(sp.sin(x) * x), sp.integrate(sp.exp(-(x**2)), (x, -sp.oo, sp.oo)))
print(sp.latex(sp.Rational(1, 2) * x**2), sp.lambdify(x, x**2 + 1, "numpy")(3))
print(sp.Matrix([[1, 2], [3, 4]]).inv(), sp.factorint(360), sp.parse_expr("2*x + 1").subs(x, 4))
