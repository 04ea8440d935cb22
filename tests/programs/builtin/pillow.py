"""Draws a shape and text in several sizes, resizes, and saves."""

from io import BytesIO

from PIL import Image, ImageDraw, ImageFilter, ImageFont

image = Image.new("RGB", (80, 40), "white")
draw = ImageDraw.Draw(image)
draw.rectangle((2, 2, 20, 20), fill="red")
draw.text((25, 2), "plain", fill="black")
draw.text((25, 15), "sized", fill="black", font=ImageFont.load_default(size=12))
for kind in ("png", "bmp", "gif", "ppm"):
    image.save(f"/tmp/a.{kind}")
    print(kind, Image.open(f"/tmp/a.{kind}").convert("RGB").getpixel((5, 5)))
print(image.resize((8, 4)).size, image.rotate(90, expand=True).size)
print(image.filter(ImageFilter.GaussianBlur(2)).getpixel((10, 10))[0])
small, large = (ImageFont.load_default(size=size).getbbox("Ag") for size in (12, 24))
font = ImageFont.load_default(12)
basic = ImageFont.truetype(BytesIO(font.font_bytes), 12, layout_engine=ImageFont.Layout.BASIC)
print(basic.getname(), basic.getmetrics(), basic.getlength("Hello, world!"))
print([basic.getbbox("Hello, jÜ", anchor=anchor) for anchor in ("la", "mm", "rs")])
print(sum(bytes(basic.getmask("Hello, jÜ", mode="1"))) // 255)
print(large[2] > small[2] > 0, image.crop((25, 15, 80, 40)).convert("L").getextrema()[0] < 100)
