"""Generators and coroutines that have not ended."""


def generator(name):
    try:
        yield
        yield
    finally:
        print("finally", name)


def nested():
    try:
        yield from generator("inner")
    finally:
        print("finally outer")


def raises():
    try:
        yield
    except GeneratorExit:
        print("exit seen")
        raise


one = generator("one")
next(one)
two = nested()
next(two)
three = raises()
next(three)
never_begun = generator("never")
done = generator("done")
list(done)
kept = [generator("in a list")]
next(kept[0])
kept.append(kept)
print("end")
