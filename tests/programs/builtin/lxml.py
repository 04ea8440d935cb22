"""XPath, XSLT, a schema, and broken HTML."""

from lxml import etree, html

tree = etree.fromstring("<a><b n='1'>x</b><b n='2'>y</b></a>")
print(tree.xpath("//b[@n > 1]/text()"), tree.xpath("sum(//@n)"))
style = etree.XSLT(
    etree.XML(
        "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>"
        "<xsl:template match='/'><n><xsl:value-of select='count(//b)'/></n></xsl:template>"
        "</xsl:stylesheet>"
    )
)
print(etree.tostring(style(tree)).decode())
schema = etree.XMLSchema(
    etree.XML(
        "<xs:schema xmlns:xs='http://www.w3.org/2001/XMLSchema'>"
        "<xs:element name='n' type='xs:integer'/></xs:schema>"
    )
)
print(schema.validate(etree.XML("<n>1</n>")), schema.validate(etree.XML("<n>x</n>")))
page = html.fromstring("<p>One<a href=/x>two</p>", base_url="http://h/")
page.make_links_absolute()
print([link for _, _, link, _ in page.iterlinks()])
