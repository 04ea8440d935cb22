"""The encodings of the web, by their names."""

import webencodings

print(webencodings.lookup("latin1").name, webencodings.decode(b"\xef\xbb\xbf\xc3\xa9", "latin1")[0])
