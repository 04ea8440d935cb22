"""Guesses the encoding of a text."""

import charset_normalizer

text = "Всеки човек има право на образование. Образованието трябва да бъде безплатно." * 3
print(str(charset_normalizer.from_bytes(text.encode("cp1251")).best()) == text)
