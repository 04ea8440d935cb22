"""XML to dictionaries and back."""

import xmltodict

data = xmltodict.parse("<a><b n='1'>x</b><b>y</b></a>")
print(data, xmltodict.parse(xmltodict.unparse(data)) == data)
