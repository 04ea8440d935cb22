"""Its data sets, regression, a generalised model and a time series."""

import numpy as np
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.tsa.arima.model import ARIMA

longley = sm.datasets.longley.load_pandas().data
print(longley.shape)
fit = smf.ols("TOTEMP ~ GNP", longley).fit()
print(
    round(fit.params["GNP"], 5),
    round(fit.rsquared, 4),
    "OLS Regression Results" in str(fit.summary()),
)
above = (longley["UNEMP"] > 3500).astype(float)
counts = sm.GLM(above, np.ones(16), family=sm.families.Binomial()).fit()
print(np.isclose(counts.params.iloc[0], np.log(above.mean() / (1 - above.mean()))))
series = np.cumsum(np.random.RandomState(0).normal(size=60))
print(ARIMA(series, order=(1, 1, 0)).fit().forecast(2).shape)
