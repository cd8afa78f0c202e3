"""Agents on the original Python connections, each in a Multiplexer of its own as an AEA has it.

The packages of the originals are imported, not copied: `load` names the folder that holds `packages` and whose
connections are meant (`valory` for open-aea, `fetchai` for aea).
"""

import importlib
import os
import socket
import sys
from pathlib import Path

from aea.configurations.base import ConnectionConfig
from aea.crypto.registries import make_crypto
from aea.crypto.wallet import CryptoStore
from aea.helpers.base import CertRequest
from aea.identity.base import Identity
from aea.mail.base import Empty, Envelope
from aea.multiplexer import Multiplexer

NODE_LEDGER = "fetchai"
HOST = "127.0.0.1"


class Originals:
    """The connection classes and the message of one vendor."""

    def __init__(self, folder, vendor):
        # Before installed packages of that name. An `aea` in the same folder is not taken: it is imported already.
        sys.path.insert(0, folder)
        connections = f"packages.{vendor}.connections"
        self.direct = self._named(f"{connections}.p2p_libp2p.connection", "P2PLibp2pConnection")
        self.delegate = self._named(f"{connections}.p2p_libp2p_client.connection", "P2PLibp2pClientConnection")
        self.mailbox = self._named(f"{connections}.p2p_libp2p_mailbox.connection", "P2PLibp2pMailboxConnection")
        self.message = self._named("packages.fetchai.protocols.default.message", "DefaultMessage")

    @staticmethod
    def _named(module, name):
        return getattr(importlib.import_module(module), name)


class Agent:
    """One agent: keeps its keys, folder and ports when it is stopped and started again."""

    def __init__(self, originals, folder, on_send, kind, ledger="fetchai", **options):
        self.originals = originals
        self.kind = kind
        self.options = options
        self.folder = folder
        self._on_send = on_send
        self.key = make_crypto(ledger)
        self.identity = Identity(
            "agent", address=self.key.address, public_key=self.key.public_key, default_address_key=ledger
        )
        Path(folder).mkdir(parents=True)
        self._multiplexer = None
        if self.runs_node:
            self.node_key = make_crypto(NODE_LEDGER)
            self.node_key_file = os.path.join(folder, "node_key.txt")
            self.node_key.dump(self.node_key_file)
            self.ports = {name: free_port() for name in ("libp2p", "delegate", "mailbox", "monitoring")}

    @property
    def runs_node(self):
        """Whether its connection starts a node: a peer's, or a relay client's."""
        return self.kind in ("direct", "relay")

    @property
    def records(self):
        """Where its node keeps what it knows."""
        return os.path.join(self.folder, "records")

    @property
    def address(self):
        return self.identity.address

    @property
    def state(self):
        """Of its connection: connected, disconnected and what is between."""
        return self._multiplexer.connections[0].state.value

    def start(self):
        """Connects; answers with what others need to reach its node."""
        connection = self._direct() if self.runs_node else self._client()
        self._multiplexer = Multiplexer([connection], protocols=[self.originals.message])
        self._multiplexer.connect()
        answer = {"address": self.address}
        if self.runs_node:
            answer |= {
                "log": connection.node.log_file,
                "pid": connection.node.proc.pid,
                "publicKey": self.node_key.public_key,
                "multiaddrs": [str(multiaddr) for multiaddr in connection.node.multiaddrs],
                "ports": self.ports,
                "records": self.records,
            }
        return answer

    def stop(self):
        if self._multiplexer is not None:
            self._multiplexer.disconnect()
            self._multiplexer = None

    def envelope(self, to, content, sender=None):
        """A message of bytes to an address."""
        Message = self.originals.message
        message = Message(performative=Message.Performative.BYTES, content=content)
        message.to, message.sender = to, sender or self.address
        return Envelope(
            to=to,
            sender=sender or self.address,
            protocol_specification_id=Message.protocol_specification_id,
            message=message,
        )

    def send(self, to, content, sender=None):
        envelope = self.envelope(to, content, sender)
        self._on_send(envelope)
        self._multiplexer.put(envelope)

    def receive(self, timeout):
        """(sender, content) of the next envelope, or None when none has come in time (seconds)."""
        try:
            envelope = self._multiplexer.get(block=True, timeout=timeout)
        except Empty:
            return None
        if envelope is None:
            return None
        if envelope.to != self.address:
            raise AssertionError(f"envelope for {envelope.to} at {self.address}")
        return envelope.sender, self.originals.message.serializer.decode(envelope.message_bytes).content

    def _direct(self):
        own = {name: f"{HOST}:{port}" for name, port in self.ports.items()}
        config = {
            "ledger_id": NODE_LEDGER,
            "local_uri": own["libp2p"],
            "entry_peers": self.options.get("entryPeers", []),
            "log_file": os.path.join(self.folder, "libp2p_node.log"),
            "storage_path": self.records,
        }
        if self.kind == "direct":
            config |= {"public_uri": own["libp2p"]}
            config |= {f"{service}_uri": own[service] for service in ("delegate", "mailbox", "monitoring")}
        configuration = ConnectionConfig(
            connection_id=self.originals.direct.connection_id,
            build_directory=self.options["program"],
            cert_requests=[self._certificate(self.node_key.public_key)],
            **config,
        )
        return self.originals.direct(
            configuration=configuration,
            data_dir=self.folder,
            identity=self.identity,
            crypto_store=CryptoStore({NODE_LEDGER: self.node_key_file}),
        )

    def _client(self):
        kind = getattr(self.originals, self.kind)
        node = self.options["node"]
        configuration = ConnectionConfig(
            connection_id=kind.connection_id,
            cert_requests=[self._certificate(node["publicKey"])],
            nodes=[{"uri": f"{HOST}:{node['port']}", "public_key": node["publicKey"]}],
            ledger_id=NODE_LEDGER,
        )
        return kind(configuration=configuration, data_dir=self.folder, identity=self.identity)

    def _certificate(self, peer_public_key):
        """Has the agent sign that the peer represents it, where `aea issue-certificates` would put it."""
        request = CertRequest(
            public_key=peer_public_key,
            identifier="acn",
            ledger_id=self.key.identifier,
            not_before="2026-01-01",
            not_after="2036-01-01",
            message_format="{public_key}",
            save_path="certificate.txt",
        )
        signature = self.key.sign_message(request.get_message(peer_public_key))
        request.get_absolute_save_path(self.folder).write_text(signature.encode("ascii").hex())
        return request


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]
