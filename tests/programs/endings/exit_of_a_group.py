"""A group with an exit in it is an exception like others."""

print("end")
raise BaseExceptionGroup("group", [SystemExit(3), KeyboardInterrupt()])
