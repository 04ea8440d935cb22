"""Linear algebra, Fourier, random numbers, and files."""

import numpy as np

a = np.array([[2.0, 1.0], [1.0, 3.0]])
print(np.linalg.solve(a, [3.0, 5.0]).round(6).tolist(), np.linalg.det(a).round(6))
print(np.linalg.eigvalsh(a).round(4).tolist(), np.linalg.svd(a, compute_uv=False).round(4).tolist())
print(np.abs(np.fft.fft([1, 0, 0, 0])).tolist())
print(np.random.RandomState(0).rand(2).round(4).tolist())
np.savez_compressed("/tmp/a.npz", a=a)
print(np.load("/tmp/a.npz")["a"].sum())
