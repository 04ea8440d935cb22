"""A long chain of objects ends without using up the stack."""


class Node:
    def __init__(self, after):
        self.after = after


class Last:
    def __del__(self):
        print("last")


chain = Last()
for _ in range(200_000):
    chain = Node(chain)
print("end")
