"""A document with a paragraph, a table, a chart and a picture."""

import io

from PIL import Image as Picture
from pypdf import PdfReader
from reportlab.graphics.charts.barcharts import VerticalBarChart
from reportlab.graphics.shapes import Drawing
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Table

Picture.new("RGB", (9, 9), "red").save("/tmp/p.png")
drawing = Drawing(200, 100)
chart = VerticalBarChart()
chart.data = [(1, 2, 3)]
drawing.add(chart)
out = io.BytesIO()
SimpleDocTemplate(out).build(
    [
        Paragraph("Hello <b>bold</b>", getSampleStyleSheet()["Normal"]),
        Table([["cell", "42"]]),
        drawing,
        Image("/tmp/p.png", 20, 20),
    ]
)
page = PdfReader(out).pages[0]
text = page.extract_text()
print("Hello bold" in text, "cell" in text, len(page.images))
