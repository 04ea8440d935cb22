"""Warnings of files that were not closed go to stderr at the end."""

import warnings

warnings.simplefilter("always")
left = open("unclosed.tmp", "w")
cyclic = [open("unclosed-2.tmp", "w")]
cyclic.append(cyclic)
print("end")
