"""Everyone writes to everyone."""

import itertools
import time
from collections import defaultdict


def one_by_one(agents, size, patience):
    """Every ordered pair once, each after the one before it has come; the milliseconds that each took."""
    took = []
    for number, (sender, receiver) in enumerate(itertools.permutations(agents, 2)):
        content = f"{number} ".encode().ljust(size, b".")
        start = time.perf_counter()
        sender.send(receiver.address, content)
        arrived = receiver.receive(patience)
        milliseconds = (time.perf_counter() - start) * 1000
        pair = {"from": sender.name, "to": receiver.name}
        if arrived is None:
            took.append(pair | {"failure": f"nothing came in {patience} s"})
        elif arrived != (sender.address, content):
            took.append(pair | {"failure": f"{arrived[1][:20]} of {arrived[0]} came"})
        else:
            took.append(pair | {"ms": milliseconds})
    return took


def all_at_once(agents, each, patience):
    """`each` envelopes of every ordered pair, sent without waiting: what came, and what is wrong with it."""
    start = time.perf_counter()
    for number in range(each):
        for sender, receiver in itertools.permutations(agents, 2):
            sender.send(receiver.address, f"burst {number}".encode())
    delivered, faults = 0, []
    for receiver in agents:
        came = defaultdict(list)
        for _ in range(each * (len(agents) - 1)):
            arrived = receiver.receive(patience)
            if arrived is None:
                break
            came[arrived[0]].append(arrived[1].decode())
            delivered += 1
        for sender in agents:
            expected = [f"burst {number}" for number in range(each)]
            if sender is not receiver and came[sender.address] != expected:
                faults.append({"from": sender.name, "to": receiver.name, "came": came[sender.address][:50]})
    return {"delivered": delivered, "seconds": time.perf_counter() - start, "faults": faults}
