"""Pillow's fonts, drawn by the FreeType that matplotlib has.

The distribution has no `_imagingft` written in C. This one has the basic layout, from left to
right; it draws strokes as the text around itself.
"""

import math

import numpy as np
from matplotlib.ft2font import FT2Font, LoadFlags

from . import Image

HAVE_RAQM = HAVE_FRIBIDI = HAVE_HARFBUZZ = False
raqm_version = fribidi_version = harfbuzz_version = None


def __getattr__(name: str):
    if name == "freetype2_version":
        from matplotlib.ft2font import __freetype_version__

        return __freetype_version__
    raise AttributeError(name)


def getfont(filename, size, index=0, encoding="", font_bytes=b"", layout_engine=0):
    """The font of a file or of bytes, in so many pixels."""
    return Font(filename, size, index, encoding, font_bytes)


def _pixel(units: int) -> int:
    """To the nearest pixel, from 64ths of one."""
    return (units + 32) >> 6


class Font:
    def __init__(self, filename, size, index, encoding, font_bytes) -> None:
        import io

        source = io.BytesIO(font_bytes) if font_bytes else filename
        self._face = FT2Font(source, face_index=index)
        if encoding not in ("", "unic"):
            raise OSError("sandbox-net knows fonts in Unicode only: leave out the encoding")
        self._face.set_size(size, 72)
        self.family, self.style = self._face.family_name, self._face.style_name
        self.glyphs = self._face.num_glyphs
        scale = size / self._face.units_per_EM
        self._ascender = math.ceil(self._face.ascender * scale) * 64
        self._descender = math.floor(self._face.descender * scale) * 64
        self.ascent, self.descent = self._ascender >> 6, -self._descender >> 6
        self.height = round(self._face.height * scale)
        self.x_ppem = self.y_ppem = round(size)

    def _layout(self, text, mode, direction, features, language):
        """Each glyph, and where it begins, in 64ths of a pixel; then the end."""
        if direction or features or language:
            raise KeyError(
                "setting text direction, language or font features is not supported without libraqm"
            )
        if isinstance(text, (bytes, bytearray)):
            text = text.decode("latin-1")
        flags = LoadFlags.DEFAULT | LoadFlags.NO_BITMAP
        if mode == "1":
            flags |= LoadFlags.TARGET_MONO
        placed, at = [], 0
        for character in text:
            # A character that the font does not have is its glyph 0, as in C.
            index = self._face.get_char_index(ord(character))
            glyph = self._face.load_glyph(index, flags)
            placed.append((glyph, at))
            at += glyph.horiAdvance
        return placed, at

    def getlength(self, string, mode="", dir=None, features=None, lang=None, /):
        return self._layout(string, mode, dir, features, lang)[1]

    def getsize(self, string, mode="", dir=None, features=None, lang=None, anchor=None, /):
        return self._bounds(*self._layout(string, mode, dir, features, lang), anchor)[0]

    def _bounds(self, placed, end, anchor):
        anchor = anchor or "la"
        if len(anchor) != 2 or anchor[0] not in "lmr" or anchor[1] not in "atmsbd":
            raise ValueError(f"bad anchor specified: {anchor}")
        if not placed:
            return ((0, 0), (0, 0)), 0, 0
        left = right = top = bottom = 0
        for number, (glyph, at) in enumerate(placed):
            x_min, y_min, x_max, y_max = glyph.bbox
            at_pixel = _pixel(at)
            left = min(left, at_pixel + (x_min >> 6))
            right = max(right, _pixel(at + glyph.horiAdvance), at_pixel + ((x_max + 63) >> 6))
            if number == 0:
                top, bottom = (y_max + 63) >> 6, y_min >> 6
            top, bottom = max(top, (y_max + 63) >> 6), min(bottom, y_min >> 6)
        x = {"l": 0, "m": _pixel(end // 2), "r": _pixel(end)}[anchor[0]]
        y = {
            "a": _pixel(self._ascender),
            "t": top,
            "m": _pixel((self._ascender + self._descender) // 2),
            "s": 0,
            "b": bottom,
            "d": _pixel(self._descender),
        }[anchor[1]]
        return ((right - left, top - bottom), (left - x, y - top)), left, top

    def render(
        self,
        string,
        fill,
        mode="",
        dir=None,
        features=None,
        lang=None,
        stroke_width=0,
        stroke_filled=False,
        anchor=None,
        foreground_ink_long=0,
        start=(0, 0),
        /,
    ):
        placed, end = self._layout(string, mode, dir, features, lang)
        ((width, height), (x, y)), left, top = self._bounds(placed, end, anchor)
        around = math.ceil(stroke_width)
        more = [math.ceil(part) for part in start]
        size = (width + 2 * around + more[0], height + 2 * around + more[1])
        target = fill(*size)
        offset = (round(x - stroke_width), round(y - stroke_width))
        if not all(size):
            return target, offset
        ink = np.zeros((size[1], size[0]), np.uint8)
        for glyph, at in placed:
            if glyph.width and glyph.height:
                bitmap_top = (glyph.bbox[3] + 63) >> 6
                self._face.draw_glyph_to_bitmap(
                    ink,
                    _pixel(at + round(start[0] * 64)) - left + around,
                    top - bitmap_top + around + round(start[1]),
                    glyph,
                    antialiased=mode != "1",
                )
        if stroke_width:
            ink = _stroked(ink, stroke_width, stroke_filled)
        drawn = Image.frombytes("L", size, ink.tobytes())
        if target.mode == "RGBA":
            colour = foreground_ink_long.to_bytes(4, "little", signed=foreground_ink_long < 0)
            bands = [Image.new("L", size, part) for part in colour[:3]]
            drawn = Image.merge("RGBA", [*bands, drawn])
        target.paste(drawn.im, (0, 0, *size))
        return target, offset

    def _no_variations(self, *_: object):
        raise NotImplementedError("sandbox-net does not know variations of a font")

    getvarnames = getvaraxes = setvarname = setvaraxes = _no_variations


def _stroked(ink, width, filled):
    reach = math.ceil(width)
    padded = np.pad(ink, reach)
    out = np.zeros_like(ink)
    rows, columns = ink.shape
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if math.hypot(down, right) <= width + 0.25:
                part = padded[reach + down :, reach + right :][:rows, :columns]
                np.maximum(out, part, out=out)
    return out
