"""Makes the matrix of a model."""

import patsy

matrix = patsy.dmatrix("x + C(g)", {"x": [1.0, 2.0], "g": ["a", "b"]})
print(matrix.design_info.column_names, matrix.tolist())
