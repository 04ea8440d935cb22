"""Its data sets, regression, a pipeline, trees, clusters, and a search over parameters."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

x = np.array([[0.0], [1.0], [2.0]])
model = LinearRegression().fit(x, [1, 3, 5])
print(model.coef_.round(6).tolist(), round(model.intercept_, 6))
print(
    [
        f(return_X_y=True)[0].shape
        for f in (load_iris, load_digits, load_diabetes, load_breast_cancer)
    ]
)
features, labels = load_iris(return_X_y=True)
line = make_pipeline(StandardScaler(), LogisticRegression())
print(cross_val_score(line, features, labels, cv=3).mean() > 0.9)
forest = RandomForestClassifier(10, random_state=0).fit(features, labels)
print(forest.score(features, labels) > 0.95)
search = GridSearchCV(line, {"logisticregression__C": [0.1, 1]}, cv=2).fit(features, labels)
print(search.best_score_ > 0.9)
print(np.bincount(KMeans(2, n_init=1, random_state=0).fit([[0], [0], [9], [9]]).labels_).tolist())
print("<style" in line._repr_html_())
