"""Uses a processor and never waits."""

while True:
    pass
