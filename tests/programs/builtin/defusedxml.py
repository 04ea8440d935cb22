"""Reads XML, and refuses entities."""

import defusedxml.ElementTree as Tree
from defusedxml import EntitiesForbidden

print(Tree.fromstring("<a><b>c</b></a>").findtext("b"))
try:
    Tree.fromstring('<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>')
except EntitiesForbidden:
    print("refused")
