"""Uses a processor, and lets go of none."""

while True:
    pass
