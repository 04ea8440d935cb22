"""Makes the matrix of a model."""

import pandas as pd
from formulaic import Formula

data = pd.DataFrame({"y": [1, 2, 3], "x": [1.0, 2.0, 4.0], "g": ["a", "b", "a"]})
matrix = Formula("y ~ x + g").get_model_matrix(data).rhs
print(list(matrix.columns), matrix.to_numpy().tolist())
