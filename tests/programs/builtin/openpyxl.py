"""Writes a workbook with a formula, a style, a chart and a picture, and reads it."""

import openpyxl
from openpyxl.chart import BarChart, Reference
from openpyxl.drawing.image import Image
from openpyxl.styles import Font
from PIL import Image as Picture

book = openpyxl.Workbook()
sheet = book.active
for row in (["name", "n"], ["a", 1], ["b", 2.5]):
    sheet.append(row)
sheet["A1"].font = Font(bold=True)
sheet["B4"] = "=SUM(B2:B3)"
chart = BarChart()
chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
sheet.add_chart(chart, "D2")
Picture.new("RGB", (3, 3)).save("/tmp/p.png")
sheet.add_image(Image("/tmp/p.png"), "D20")
book.save("/tmp/a.xlsx")
back = openpyxl.load_workbook("/tmp/a.xlsx").active
print(list(back.values), back["A1"].font.bold, len(back._charts), len(back._images))
