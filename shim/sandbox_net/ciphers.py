"""Cipher suites: the host's, with OpenSSL's names, and OpenSSL's language to choose some."""

import re
from dataclasses import dataclass
from typing import Any, Final

DEFAULT: Final = "DEFAULT"


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite that the host can use."""

    name: str
    number: int
    protocol: str
    key_exchange: str
    authentication: str
    encryption: str
    bits: int

    @property
    def symmetric(self) -> str:
        """OpenSSL's name of the cipher."""
        if self.encryption.startswith("CHACHA20"):
            return "chacha20-poly1305"
        return f"aes-{self.bits}-gcm"

    @property
    def keywords(self) -> frozenset[str]:
        """The keywords of OpenSSL's language that choose this suite."""
        words = {"ALL", "DEFAULT", "HIGH", "AEAD", "FIPS", self.name, "TLSv1.2"}
        words |= {"ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH", "kECDH"}
        words |= {"PROFILE=SYSTEM"}
        if self.authentication == "ECDSA":
            words |= {"ECDSA", "aECDSA"}
        else:
            words |= {"aRSA"}
        if self.encryption.startswith("AES"):
            words |= {"AES", "AESGCM", f"AES{self.bits}"}
        else:
            words |= {"CHACHA20"}
        return frozenset(words)

    def describe(self) -> dict[str, Any]:
        """Returns the suite as `get_ciphers` does."""
        kx, au = self.key_exchange, self.authentication
        enc = f"{self.encryption}({self.bits})"
        return {
            "id": 0x0300_0000 | self.number,
            "name": self.name,
            "protocol": self.protocol,
            "description": (
                f"{self.name:<30} {self.protocol:<7} Kx={kx:<8} Au={au:<5} Enc={enc:<22} Mac=AEAD"
            ),
            "strength_bits": self.bits,
            "alg_bits": self.bits,
            "aead": True,
            "symmetric": self.symmetric,
            "digest": None,
            "kea": "kx-any" if kx == "any" else "kx-ecdhe",
            "auth": f"auth-{au.lower()}",
        }


def _suite13(name: str, number: int, encryption: str, bits: int) -> Suite:
    return Suite(name, number, "TLSv1.3", "any", "any", encryption, bits)


def _suite12(name: str, number: int, encryption: str, bits: int) -> Suite:
    authentication = "ECDSA" if "ECDSA" in name else "RSA"
    return Suite(name, number, "TLSv1.2", "ECDH", authentication, encryption, bits)


TLS_1_3: Final = (
    _suite13("TLS_AES_256_GCM_SHA384", 0x1302, "AESGCM", 256),
    _suite13("TLS_CHACHA20_POLY1305_SHA256", 0x1303, "CHACHA20/POLY1305", 256),
    _suite13("TLS_AES_128_GCM_SHA256", 0x1301, "AESGCM", 128),
)
TLS_1_2: Final = (
    _suite12("ECDHE-ECDSA-AES256-GCM-SHA384", 0xC02C, "AESGCM", 256),
    _suite12("ECDHE-RSA-AES256-GCM-SHA384", 0xC030, "AESGCM", 256),
    _suite12("ECDHE-ECDSA-CHACHA20-POLY1305", 0xCCA9, "CHACHA20/POLY1305", 256),
    _suite12("ECDHE-RSA-CHACHA20-POLY1305", 0xCCA8, "CHACHA20/POLY1305", 256),
    _suite12("ECDHE-ECDSA-AES128-GCM-SHA256", 0xC02B, "AESGCM", 128),
    _suite12("ECDHE-RSA-AES128-GCM-SHA256", 0xC02F, "AESGCM", 128),
)


def _matching(words: str) -> list[Suite]:
    wanted = set(words.split("+"))
    return [suite for suite in TLS_1_2 if wanted <= suite.keywords]


def select_suites(text: str) -> list[Suite]:
    """Returns the TLS 1.2 suites that a cipher list of OpenSSL chooses, in its order."""
    chosen: list[Suite] = []
    banned: set[Suite] = set()
    for item in re.split(r"[:;, ]+", text.strip()):
        operator, words = (item[0], item[1:]) if item[:1] in ("!", "-", "+", "@") else ("", item)
        if operator == "@" or not words:
            continue  # a strength order, or a security level
        suites = _matching(words)
        if operator == "!":
            banned |= set(suites)
        if operator in ("!", "-"):
            chosen = [suite for suite in chosen if suite not in suites]
        elif operator == "+":
            later = [suite for suite in chosen if suite in suites]
            chosen = [suite for suite in chosen if suite not in suites] + later
        else:
            chosen += [s for s in suites if s not in chosen and s not in banned]
    return chosen


def security_level(text: str) -> int | None:
    """Returns the `@SECLEVEL` of a cipher list."""
    found = re.findall(r"@SECLEVEL=([0-5])", text)
    return int(found[-1]) if found else None


def openssl_name(iana: str) -> str:
    """Translates IANA's name of a suite to OpenSSL's."""
    prefix, with_, cipher = iana.partition("_WITH_")
    if not with_:
        return iana  # TLS 1.3, where the names are the same
    cipher = cipher.replace("CHACHA20_POLY1305_SHA256", "CHACHA20_POLY1305")
    cipher = re.sub(r"(AES|ARIA|CAMELLIA)_(128|256)", r"\1\2", cipher)
    return f"{prefix.removeprefix('TLS_')}_{cipher}".replace("_", "-")


def secret_bits(iana: str) -> int:
    """Returns the length of a suite's key."""
    return 128 if "128" in iana.partition("_WITH_")[2] or "_128_" in iana else 256
