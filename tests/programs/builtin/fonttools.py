"""Builds a font, saves it, reads it again and subsets a real one."""

import os

import matplotlib
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Subsetter
from fontTools.ttLib import TTFont

builder = FontBuilder(1000, isTTF=True)
builder.setupGlyphOrder([".notdef", "A"])
builder.setupCharacterMap({65: "A"})
pen = TTGlyphPen(None)
pen.moveTo((0, 0))
pen.lineTo((500, 700))
pen.lineTo((500, 0))
pen.closePath()
glyph = pen.glyph()
builder.setupGlyf({".notdef": glyph, "A": glyph})
builder.setupHorizontalMetrics({".notdef": (600, 0), "A": (600, 0)})
builder.setupHorizontalHeader(ascent=800, descent=-200)
builder.setupNameTable({"familyName": "Mine", "styleName": "Regular"})
builder.setupOS2()
builder.setupPost()
builder.save("/tmp/mine.ttf")
mine = TTFont("/tmp/mine.ttf")
print(mine["name"].getDebugName(1), mine.getBestCmap(), mine["glyf"]["A"].xMax)

path = os.path.join(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
font = TTFont(path)
subsetter = Subsetter()
subsetter.populate(text="ab")
subsetter.subset(font)
print(sorted(font.getBestCmap()))
