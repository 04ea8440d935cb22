"""An object that comes back is not finalized again."""

kept = []


class Back:
    def __del__(self):
        print("del", len(kept))
        kept.append(self)


kept_in_cycle = Back()
kept_in_cycle.me = kept_in_cycle
plain = Back()
print("end")
