"""The data of threads ends with them."""

import threading


class A:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)


data = threading.local()
data.value = A("main")


def work():
    data.value = A("thread")
    print("work")


thread = threading.Thread(target=work)
thread.start()
thread.join()
print("end")
