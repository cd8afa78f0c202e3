"""Runs agents on the original Python connections and does what JSON lines on its input say.

driver.py FOLDER_WITH_PACKAGES VENDOR SCRATCH_FOLDER

A line is {"id", "do", ...}; its answer {"id", "result"} or {"id", "error"}. One after the other; ends with its input.
"""

import json
import logging
import os
import sys
import traceback

from agents import Agent, Originals
import witness
from exchange import all_at_once, one_by_one, receive_all, send_all


class Driver:
    """The agents by name, and what can be done with them."""

    def __init__(self, originals, folder):
        self.originals = originals
        self.folder = folder
        self.agents = {}
        self.witness = witness.begin()

    def start(self, name, **options):
        """A new agent; one that was stopped, when only its name is given."""
        if options:
            self.agents[name] = Agent(self.originals, os.path.join(self.folder, name), self.witness.sent, **options)
            self.agents[name].name = name
        return self.agents[name].start()

    def stop(self, name):
        self.agents[name].stop()

    def state(self, name):
        return self.agents[name].state

    def send(self, name, to, text, sender=None):
        """`to` is an agent's name or an address."""
        address = self.agents[to].address if to in self.agents else to
        self.agents[name].send(address, text.encode(), sender)

    def receive(self, name, timeout=20):
        arrived = self.agents[name].receive(timeout)
        return arrived and {"from": arrived[0], "text": arrived[1].decode()}

    def exchange(self, names, size=300, patience=20):
        return one_by_one(self._named(names), size, patience)

    def burst(self, names, each=1, patience=60):
        return all_at_once(self._named(names), each, patience)

    def send_all(self, senders, receivers, run, each):
        send_all(self._named(senders), self._named(receivers), run, each)

    def receive_all(self, senders, receivers, runs, each, patience=60):
        return receive_all(self._named(senders), self._named(receivers), runs, each, patience)

    def account(self):
        return self.witness.account()

    def _named(self, names):
        return [self.agents[name] for name in names]

    def close(self):
        for agent in reversed(self.agents.values()):
            try:
                agent.stop()
            except Exception:  # The others are to be stopped all the same.
                traceback.print_exc()


def main():
    packages, vendor, folder = sys.argv[1:]
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    # Answers alone go to the test; whatever the packages print goes to the log.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    driver = Driver(Originals(packages, vendor), folder)
    try:
        for line in sys.stdin:
            command = json.loads(line)
            number, do = command.pop("id"), command.pop("do")
            try:
                answer = {"result": getattr(driver, do)(**command)}
            except Exception as error:  # Told to the test, which decides.
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            answers.write(json.dumps({"id": number} | answer) + "\n")
    finally:
        driver.close()


if __name__ == "__main__":
    main()
