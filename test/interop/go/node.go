package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/multiformats/go-multiaddr"
	"github.com/multiformats/go-multihash"
)

// Between two looks at something that nothing tells of.
const lookAgain = 20 * time.Millisecond

type peerNode struct {
	host     host.Host
	dht      *dht.IpfsDHT
	entries  []peer.AddrInfo
	isClient bool
	agents   agents
}

func startNode(c command) (*peerNode, error) {
	key, err := crypto.UnmarshalSecp256k1PrivateKey(c.Key)
	if err != nil {
		return nil, err
	}
	entries, err := entriesOf(c.Entries)
	if err != nil {
		return nil, err
	}
	options := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
	}
	mode := dht.ModeServer
	if c.IsClient {
		mode = dht.ModeClient
		options = append(options, libp2p.NoListenAddrs, libp2p.EnableRelay(), libp2p.ForceReachabilityPrivate(),
			libp2p.EnableAutoRelayWithStaticRelays(entries, autorelay.WithBackoff(time.Second),
				autorelay.WithMinInterval(time.Second)))
	} else {
		options = append(options, libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.AddrsFactory(announced),
			libp2p.ForceReachabilityPublic(), libp2p.EnableRelayService())
	}
	host, err := libp2p.New(options...)
	if err != nil {
		return nil, err
	}
	table, err := dht.New(context.Background(), host, dht.Mode(mode))
	if err != nil {
		return nil, err
	}
	node := &peerNode{host: host, dht: table, entries: entries, isClient: c.IsClient}
	node.agents.records = map[string]*record{}
	node.serve()
	return node, nil
}

// Names are announced even for IP addresses, as the network's peers do.
func announced(listened []multiaddr.Multiaddr) []multiaddr.Multiaddr {
	var named []multiaddr.Multiaddr
	for _, address := range listened {
		if port, err := address.ValueForProtocol(multiaddr.P_TCP); err == nil {
			named = append(named, multiaddr.StringCast("/dns4/127.0.0.1/tcp/"+port))
		}
	}
	return named
}

func entriesOf(texts []string) ([]peer.AddrInfo, error) {
	var entries []peer.AddrInfo
	for _, text := range texts {
		entry, err := peer.AddrInfoFromString(text)
		if err != nil {
			return nil, err
		}
		entries = append(entries, *entry)
	}
	return entries, nil
}

func startedResult(node *peerNode) any {
	if node == nil {
		return nil
	}
	multiaddrs := []string{}
	for _, address := range node.host.Addrs() {
		multiaddrs = append(multiaddrs, fmt.Sprintf("%s/p2p/%s", address, node.host.ID()))
	}
	return map[string]any{"peerId": node.host.ID().String(), "multiaddrs": multiaddrs}
}

func (n *peerNode) stop() {
	_ = n.dht.Close()
	_ = n.host.Close()
}

func (n *peerNode) run(ctx context.Context, c command) (any, error) {
	switch c.Name {
	case "join":
		return nil, n.join(ctx)
	case "announce":
		return nil, n.announce(ctx, c.Record)
	case "find":
		return n.find(ctx, c.Address)
	case "lookUp":
		return n.lookUp(ctx, c.PeerID, c.Address)
	case "register":
		return n.register(ctx, c.PeerID, c.Record)
	case "send":
		return n.send(ctx, c.PeerID, c.Envelope, c.Record)
	default:
		return nil, errors.New("unknown command")
	}
}

// Connects to the entry peers. A peer notifies them and waits until they are in its routing table; a relay client
// waits for an address at one of them.
func (n *peerNode) join(ctx context.Context) error {
	for _, entry := range n.entries {
		if err := n.host.Connect(ctx, entry); err != nil {
			return err
		}
	}
	for _, entry := range n.entries {
		if err := n.until(ctx, func() bool { return n.dht.RoutingTable().Find(entry.ID) != "" }); err != nil {
			return fmt.Errorf("entry peer did not come into the routing table: %w", err)
		}
		if !n.isClient {
			if err := n.notify(ctx, entry.ID); err != nil {
				return err
			}
		}
	}
	if n.isClient {
		return n.until(ctx, n.isRelayed)
	}
	return nil
}

func (n *peerNode) isRelayed() bool {
	for _, address := range n.host.Addrs() {
		if _, err := address.ValueForProtocol(multiaddr.P_CIRCUIT); err == nil {
			return true
		}
	}
	return false
}

func (n *peerNode) until(ctx context.Context, condition func() bool) error {
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookAgain):
		}
	}
	return nil
}

// An agent's address is found under the hash of its text.
func cidOf(address string) (cid.Cid, error) {
	hash, err := multihash.Sum([]byte(address), multihash.SHA2_256, -1)
	return cid.NewCidV0(hash), err
}

// Represents an agent and, as a peer, provides its address: alone in the network once another has joined.
func (n *peerNode) announce(ctx context.Context, raw []byte) error {
	agent, err := decodeRecord(raw)
	if err != nil {
		return err
	}
	n.agents.put(agent)
	if n.isClient || n.dht.RoutingTable().Size() == 0 {
		return nil
	}
	return n.provide(ctx, agent.address)
}

// Provides all addresses once a peer that has joined is in the routing table.
func (n *peerNode) announceTo(ctx context.Context, joined peer.ID) error {
	if err := n.until(ctx, func() bool { return n.dht.RoutingTable().Find(joined) != "" }); err != nil {
		return err
	}
	for _, address := range n.agents.addresses() {
		if err := n.provide(ctx, address); err != nil {
			return err
		}
	}
	return nil
}

func (n *peerNode) provide(ctx context.Context, address string) error {
	key, err := cidOf(address)
	if err != nil {
		return err
	}
	return n.dht.Provide(ctx, key, true)
}

// Peer ids of those who provide an address, once there is one.
func (n *peerNode) find(ctx context.Context, address string) ([]string, error) {
	key, err := cidOf(address)
	if err != nil {
		return nil, err
	}
	for {
		var found []string
		for provider := range n.dht.FindProvidersAsync(ctx, key, 0) {
			found = append(found, provider.ID.String())
		}
		if len(found) > 0 {
			return found, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// The peer of a public key in hexadecimal.
func peerOf(publicKey string) (peer.ID, error) {
	bytes, err := hex.DecodeString(publicKey)
	if err != nil {
		return "", err
	}
	key, err := crypto.UnmarshalSecp256k1PublicKey(bytes)
	if err != nil {
		return "", err
	}
	return peer.IDFromPublicKey(key)
}
