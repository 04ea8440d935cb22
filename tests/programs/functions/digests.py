"""Keys from passwords."""

import hashlib

for name in ("md5", "sha1", "sha256", "sha512", "sha3_256"):
    for password in (b"", b"secret", b"x" * 300):
        print(name, hashlib.pbkdf2_hmac(name, password, b"salt", 3, 70).hex())
print(hashlib.pbkdf2_hmac("sha256", bytearray(b"a"), memoryview(b"b"), 1).hex())
for n, r, p, length in ((2, 1, 1, 64), (16, 8, 2, 10), (64, 3, 1, 100)):
    print(hashlib.scrypt(b"secret", salt=b"salt", n=n, r=r, p=p, dklen=length).hex())
for call in (
    lambda: hashlib.pbkdf2_hmac("sha256", b"a", b"b", 0),
    lambda: hashlib.pbkdf2_hmac("sha256", b"a", b"b", 1, 0),
    lambda: hashlib.pbkdf2_hmac("sha256", "a", b"b", 1),
    lambda: hashlib.pbkdf2_hmac("none", b"a", b"b", 1),
    lambda: hashlib.scrypt(b"a", salt=b"b", n=3, r=1, p=1),
    lambda: hashlib.scrypt(b"a", salt=b"b", n=1 << 20, r=8, p=1),
):
    try:
        call()
    except (ValueError, TypeError) as error:
        print(isinstance(error, ValueError))
