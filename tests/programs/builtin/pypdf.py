"""Joins, turns, encrypts and reads PDF."""

import io

from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen.canvas import Canvas

page = io.BytesIO()
canvas = Canvas(page)
canvas.drawString(100, 700, "Hello PDF")
canvas.save()
writer = PdfWriter()
for _ in range(2):
    writer.append(page)
writer.pages[1].rotate(90)
writer.encrypt("word", algorithm="RC4-128")
out = io.BytesIO()
writer.write(out)
reader = PdfReader(out, password="word")
print(len(reader.pages), reader.pages[0].extract_text().strip(), reader.pages[1].rotation)
