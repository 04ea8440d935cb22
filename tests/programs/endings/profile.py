"""A profile function sees the last calls of the program."""

import sys


class A:
    def __del__(self):
        pass


def profile(frame, event, argument):
    if frame.f_code.co_filename == __file__name and event == "call":
        print(event, frame.f_code.co_name)


__file__name = __file__
a = A()
print("end")
sys.setprofile(profile)
