"""Finds the line of one height on a slope."""

import contourpy

lines = contourpy.contour_generator(z=[[0, 1], [0, 1]]).lines(0.5)
print([line.tolist() for line in lines])
