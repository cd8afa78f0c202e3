"""Everyone writes to everyone. No two envelopes are the same, and each text begins with the names of its pair."""

import itertools
import time
from collections import defaultdict

runs = itertools.count(1)


def text_of(sender, receiver, run, number):
    return f"{sender.name} to {receiver.name}, {run}.{number} "


def one_by_one(agents, size, patience):
    """Every ordered pair once, each after the one before it has come; the milliseconds that each took."""
    took, run = [], next(runs)
    for number, (sender, receiver) in enumerate(itertools.permutations(agents, 2)):
        content = text_of(sender, receiver, run, number).encode().ljust(size, b".")
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
    start, run = time.perf_counter(), next(runs)
    send_all(agents, agents, run, each)
    return receive_all(agents, agents, [run], each, patience) | {"seconds": time.perf_counter() - start}


def send_all(senders, receivers, run, each):
    """`each` envelopes of every sender to every receiver, without waiting."""
    for number in range(each):
        for sender, receiver in itertools.product(senders, receivers):
            if sender is not receiver:
                sender.send(receiver.address, text_of(sender, receiver, run, number).encode())


def receive_all(senders, receivers, names, each, patience):
    """What came of the runs of these names, and what is wrong with it."""
    delivered, faults = 0, []
    for receiver in receivers:
        others = [sender for sender in senders if sender is not receiver]
        came = defaultdict(list)
        for _ in range(len(names) * each * len(others)):
            arrived = receiver.receive(patience)
            if arrived is None:
                break
            came[arrived[0]].append(arrived[1].decode())
            delivered += 1
        for sender in others:
            expected = [text_of(sender, receiver, run, number) for run in names for number in range(each)]
            texts = came.pop(sender.address, [])
            if texts != expected:
                missing = [text for text in expected if text not in texts]
                faults.append({"from": sender.name, "to": receiver.name, "missing": missing[:50], "came": texts[:50]})
        if came:
            faults.append({"to": receiver.name, "from": list(came)})
    return {"delivered": delivered, "faults": faults}
