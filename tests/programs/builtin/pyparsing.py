"""Reads arithmetic."""

import pyparsing as pp

number = pp.common.integer
expression = pp.infix_notation(number, [("*", 2, pp.OpAssoc.LEFT), ("+", 2, pp.OpAssoc.LEFT)])
print(expression.parse_string("1+2*3").as_list())
