"""Solves constraints."""

from kiwisolver import Solver, Variable

x, y = Variable("x"), Variable("y")
solver = Solver()
for constraint in (x + y == 10, x >= 2 * y, (y >= 4) | "weak", x <= 7):
    solver.addConstraint(constraint)
solver.updateVariables()
print(round(x.value(), 6), round(y.value(), 6))
