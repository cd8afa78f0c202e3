"""Sees the bytes of the envelopes that come to agents of this process, and of those that they were told to send."""

import hashlib
import threading
from collections import Counter

from aea.mail.base import Envelope


class Witness(type(Envelope.default_serializer)):
    """The serializer of all envelopes, which the connections ask for each that comes; it changes nothing."""

    def __init__(self):
        self._lock = threading.Lock()
        self._sent, self._came = Counter(), Counter()

    def sent(self, envelope):
        """An envelope that an agent is told to send."""
        self._count(self._sent, self.encode(envelope))

    def decode(self, envelope_bytes):
        self._count(self._came, envelope_bytes)
        return super().decode(envelope_bytes)

    def account(self):
        """How many came byte for byte as they were sent; how many did not come so, and how many came besides."""
        with self._lock:
            same, missing, besides = self._sent & self._came, self._sent - self._came, self._came - self._sent
        return {"same": same.total(), "missing": missing.total(), "besides": besides.total()}

    def _count(self, counter, envelope_bytes):
        digest = hashlib.sha256(envelope_bytes).digest()
        with self._lock:
            counter[digest] += 1


def begin():
    """From now on; before anything is sent."""
    witness = Witness()
    Envelope.default_serializer = witness
    return witness
