"""A table as text and as HTML."""

import tabulate

print(tabulate.tabulate([["a", 1], ["b", 22]], ["k", "n"], tablefmt="github"))
print(tabulate.tabulate([[1]], tablefmt="html").count("<td"))
