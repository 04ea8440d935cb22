"""Files with unwritten data, which another file's finalizer reads."""


class Reads:
    def __init__(self, path):
        self.path, self.file = path, open(path, "w")
        self.file.write("unwritten")
        self.binary = open(path + ".b", "wb", buffering=64)
        self.binary.write(b"bytes")

    def __del__(self):
        self.file.flush()
        print("the file has", open(self.path).read())


reads = Reads("left-open.tmp")
text = open("text.tmp", "w")
text.write("text")
print("last line", end="")
