/** The commented `parley.toml` of a first run: what it says is what counts when it says nothing. */
export const SETTINGS_TEMPLATE = `# Configuration of \`parley up\`. Paths are relative to this file. Everything listens on this machine alone
# until you say otherwise. After a change: stop, \`parley doctor\`, start again.

[data]
# folder = "."                          # where everything is kept
# passphrase_file = "data.passphrase"   # its first line encrypts the databases; then \`parley passphrase\`

# The SMP router: a server that holds encrypted messages in queues until they are read.
[smp]
on = true
listen = "127.0.0.1:5223"
# announced = ["smp.example.org"]       # names in its address; needed when others are to reach it
# password_file = "smp.password"        # what others must know to create queues; part of the address
# servers = ["smp://…"]                 # routers on which own queues are made, instead of this one

# The peer of the Agent Communication Network.
[acn]
on = true
listen = "127.0.0.1:9000"
# public = "acn.example.org:9000"       # what other peers connect to; \`listen\` when nothing is said
delegate = "127.0.0.1:11000"            # service for agents; left out: none
# mailbox = "127.0.0.1:8888"            # the same over HTTPS
# monitoring = "127.0.0.1:8080"         # /metrics, /livez, /readyz
# entry_peers = ["/dns4/acn.example.org/tcp/9000/p2p/16Uiu2HA…"]
# registration_delay = 0                # seconds
# sender_check = "refuse"               # or "log"
# challenge = "offered"                 # fresh proofs of agents that can give them; "required" of all; "off"

# An agent of this node's own, behind a pipe.
# [agent]
# port = 10000                          # port of this machine on which it listens for its node
# record = "agent-record.json"          # its record for this peer (\`parley acn record make\`)

# Envelopes to agents that have a contact card travel in a private channel.
[private]
mode = "prefer"                         # "require": never the plain way; "off": always the plain way
lookup = "private"                      # who asks for a card is hidden when it can be; "required": always; "direct": never
policy = "everyone"                     # who may open a channel: "allow": those listed; "ask": \`parley requests\` answers
# allow = ["fetch1…", "0x…"]

# Ledger identities of this node (\`parley id\`).
[identity]
# use = ["alice"]                       # names; their keys are unlocked at the start, to sign contact cards
# passphrase_file = "id.passphrase"     # else PARLEY_PASSPHRASE
# agent_card = "agent-card.json"        # A2A agent card, or other JSON, that goes with their contact cards; 8 KiB at most
`
