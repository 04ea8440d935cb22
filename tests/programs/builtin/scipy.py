"""Optimisation, integration, statistics, sparse matrices, signals and space."""

import numpy as np
from scipy import (
    fft,
    integrate,
    interpolate,
    linalg,
    optimize,
    signal,
    sparse,
    spatial,
    special,
    stats,
)

print(optimize.minimize(lambda v: (v[0] - 1) ** 2 + (v[1] + 2) ** 2, [0, 0]).x.round(3).tolist())
print(optimize.linprog([-1, -1], A_ub=[[1, 2]], b_ub=[4], bounds=[(0, 3), (0, 3)]).x.tolist())
print(round(integrate.quad(np.sin, 0, np.pi)[0], 9))
print(integrate.solve_ivp(lambda t, y: -y, (0, 1), [1], rtol=1e-8).y[0, -1].round(5))
print(round(stats.norm.cdf(1.96), 4), round(stats.ttest_1samp([1, 2, 3], 2).pvalue, 6))
print(sparse.linalg.spsolve(sparse.csc_matrix([[2.0, 0.0], [0.0, 4.0]]), [2.0, 8.0]).tolist())
print(
    spatial.KDTree([[0, 0], [5, 5]]).query([4, 4])[1],
    spatial.ConvexHull([[0, 0], [1, 0], [0, 1]]).area > 3,
)
print(linalg.expm(np.zeros((2, 2))).tolist(), special.gamma(5), abs(fft.fft([1, 1])).tolist())
print(
    signal.butter(1, 0.5)[0].round(3).tolist(),
    float(interpolate.CubicSpline([0, 1, 2], [0, 1, 4])(1.5)),
)
print(stats.qmc.Sobol(2, scramble=False).random(2).tolist())
