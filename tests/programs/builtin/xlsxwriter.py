"""Writes a workbook with a chart, a format and a picture; openpyxl reads it."""

import openpyxl
import xlsxwriter
from PIL import Image

Image.new("RGB", (3, 3)).save("/tmp/p.png")
with xlsxwriter.Workbook("/tmp/a.xlsx") as book:
    sheet = book.add_worksheet("data")
    sheet.write_row("A1", ["x", 1.5], book.add_format({"bold": True}))
    sheet.write_formula("C1", "=B1*2", value=3)
    chart = book.add_chart({"type": "line"})
    chart.add_series({"values": "=data!$B$1:$C$1"})
    sheet.insert_chart("E1", chart)
    sheet.insert_image("E20", "/tmp/p.png")
back = openpyxl.load_workbook("/tmp/a.xlsx", data_only=True)["data"]
print(list(back.values), back["A1"].font.bold, len(back._charts), len(back._images))
