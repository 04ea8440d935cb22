"""Keeps results and objects on disk, and runs jobs."""

import math

import joblib

calls = []
memory = joblib.Memory("/tmp/joblib", verbose=0)


@memory.cache
def square(n):
    calls.append(n)
    return n * n


print(square(7), square(7), calls)
joblib.dump({"a": [1, 2]}, "/tmp/a.joblib", compress=3)
print(joblib.load("/tmp/a.joblib"))
print(joblib.Parallel(n_jobs=1)(joblib.delayed(math.sqrt)(n) for n in (4, 9)))
