"""Reads an old workbook, made here of its records, and refuses a new one."""

import struct

import openpyxl
import xlrd


def record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


with open("/tmp/a.xls", "wb") as file:
    file.write(record(0x09, struct.pack("<HH", 2, 0x10)))
    file.write(record(0x04, struct.pack("<HH3xB", 0, 0, 4) + b"text"))
    file.write(record(0x03, struct.pack("<HH3xd", 0, 1, 2.5)))
    file.write(record(0x0A, b""))
sheet = xlrd.open_workbook("/tmp/a.xls").sheet_by_index(0)
print(sheet.row_values(0), xlrd.xldate_as_datetime(45000.5, 0))
openpyxl.Workbook().save("/tmp/a.xlsx")
try:
    xlrd.open_workbook("/tmp/a.xlsx")
except xlrd.XLRDError as error:
    print(error)
