package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"
)

const (
	notifyProtocol   protocol.ID = "/aea-notif/0.1.0"
	addressProtocol  protocol.ID = "/aea-address/0.1.0"
	registerProtocol protocol.ID = "/aea-register/0.1.0"
	envelopeProtocol protocol.ID = "/aea/0.1.0"
)

// For the other side to say what it wants.
const requestTime = 10 * time.Second

// The agents that are represented here, and the relay clients' by their addresses.
type agents struct {
	sync.Mutex
	records map[string]*record
}

func (a *agents) put(agent *record) {
	a.Lock()
	defer a.Unlock()
	a.records[agent.address] = agent
}

func (a *agents) get(address string) *record {
	a.Lock()
	defer a.Unlock()
	return a.records[address]
}

func (a *agents) addresses() []string {
	a.Lock()
	defer a.Unlock()
	all := make([]string, 0, len(a.records))
	for address := range a.records {
		all = append(all, address)
	}
	return all
}

func (n *peerNode) serve() {
	n.host.SetStreamHandler(addressProtocol, answering(n.answerLookup))
	n.host.SetStreamHandler(envelopeProtocol, answering(n.answerEnvelope))
	if n.isClient {
		return
	}
	n.host.SetStreamHandler(registerProtocol, answering(n.answerRegistration))
	n.host.SetStreamHandler(notifyProtocol, func(stream network.Stream) {
		from := stream.Conn().RemotePeer()
		_ = stream.SetDeadline(time.Now().Add(requestTime))
		_, _ = io.Copy(io.Discard, stream)
		_ = stream.Close()
		ctx, cancel := context.WithTimeout(context.Background(), requestTime)
		defer cancel()
		if err := n.announceTo(ctx, from); err != nil {
			fmt.Fprintln(os.Stderr, "not announced:", err)
			return
		}
		emit(map[string]any{"event": "notified", "from": from.String()})
	})
}

// One request, one answer.
func answering(answer func(*message, network.Conn) []byte) network.StreamHandler {
	return func(stream network.Stream) {
		defer stream.Close()
		_ = stream.SetDeadline(time.Now().Add(requestTime))
		body, err := readFrame(stream)
		if err != nil {
			_ = stream.Reset()
			return
		}
		request, err := decodeMessage(body)
		if err != nil {
			_ = writeFrame(stream, encodeStatus(statusDecode))
			return
		}
		_ = writeFrame(stream, answer(request, stream.Conn()))
	}
}

func (n *peerNode) answerLookup(request *message, _ network.Conn) []byte {
	if request.kind != fieldLookupRequest {
		return encodeStatus(statusUnexpected)
	}
	agent := n.agents.get(request.address)
	if agent == nil {
		return encodeStatus(statusUnknownAddress)
	}
	return encodeLookupResponse(agent.raw)
}

func (n *peerNode) answerEnvelope(request *message, conn network.Conn) []byte {
	if request.kind != fieldEnvelope || request.record == nil {
		return encodeStatus(statusUnexpected)
	}
	if !isFrom(request.record, conn) {
		return encodeStatus(statusWrongPublicKey)
	}
	to, err := receiverOf(request.envelope)
	if err != nil {
		return encodeStatus(statusDecode)
	}
	if n.agents.get(to) == nil {
		return encodeStatus(statusUnknownAddress)
	}
	emit(map[string]any{"event": "envelope", "envelope": request.envelope, "record": request.record.raw})
	return encodeStatus(statusSuccess)
}

func (n *peerNode) answerRegistration(request *message, conn network.Conn) []byte {
	if request.kind != fieldRegister || request.record == nil {
		return encodeStatus(statusUnexpected)
	}
	if !isFrom(request.record, conn) {
		return encodeStatus(statusWrongPublicKey)
	}
	n.agents.put(request.record)
	ctx, cancel := context.WithTimeout(context.Background(), requestTime)
	defer cancel()
	if n.dht.RoutingTable().Size() > 0 {
		if err := n.provide(ctx, request.record.address); err != nil {
			fmt.Fprintln(os.Stderr, "not announced:", err)
		}
	}
	emit(map[string]any{"event": "registered", "address": request.record.address})
	return encodeStatus(statusSuccess)
}

// Whether the record is for the peer at the other end.
func isFrom(agent *record, conn network.Conn) bool {
	id, err := peerOf(agent.peerPublicKey)
	return err == nil && id == conn.RemotePeer()
}

func (n *peerNode) notify(ctx context.Context, to peer.ID) error {
	stream, err := n.host.NewStream(ctx, to, notifyProtocol)
	if err != nil {
		return err
	}
	if _, err := stream.Write([]byte(notifyProtocol)); err != nil {
		return err
	}
	return stream.Close()
}

// Sends a request on a stream of its own. Streams over relays, whose connections are limited, are good enough.
func (n *peerNode) request(ctx context.Context, to peer.ID, id protocol.ID, body []byte) (*message, error) {
	stream, err := n.host.NewStream(network.WithUseTransient(ctx, "agents behind relays"), to, id)
	if err != nil {
		return nil, err
	}
	defer stream.Reset()
	if deadline, ok := ctx.Deadline(); ok {
		_ = stream.SetDeadline(deadline)
	}
	if err := writeFrame(stream, body); err != nil {
		return nil, err
	}
	reply, err := readFrame(stream)
	if err != nil {
		return nil, err
	}
	return decodeMessage(reply)
}

type lookUpResult struct {
	Record []byte `json:"record,omitempty"`
	Code   int    `json:"code"`
}

func (n *peerNode) lookUp(ctx context.Context, peerID, address string) (*lookUpResult, error) {
	to, err := peer.Decode(peerID)
	if err != nil {
		return nil, err
	}
	reply, err := n.request(ctx, to, addressProtocol, encodeLookupRequest(address))
	if err != nil {
		return nil, err
	}
	if reply.kind == fieldLookupResponse && reply.record != nil {
		return &lookUpResult{Record: reply.record.raw}, nil
	}
	if reply.kind == fieldStatus && reply.code != statusSuccess {
		return &lookUpResult{Code: reply.code}, nil
	}
	return nil, fmt.Errorf("look-up answered with a message of kind %d", reply.kind)
}

func (n *peerNode) register(ctx context.Context, peerID string, raw []byte) (any, error) {
	to, err := peer.Decode(peerID)
	if err != nil {
		return nil, err
	}
	return statusOf(n.request(ctx, to, registerProtocol, encodeRegister(raw)))
}

// Sends an envelope to its receiver: at a relay client of ours, at the contact, or at whoever provides the address.
func (n *peerNode) send(ctx context.Context, contact string, envelope, sender []byte) (any, error) {
	address, err := receiverOf(envelope)
	if err != nil {
		return nil, err
	}
	to, err := n.reach(ctx, contact, address)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the receiver: %w", err)
	}
	return statusOf(n.request(ctx, to, envelopeProtocol, encodeEnvelope(envelope, sender)))
}

func (n *peerNode) reach(ctx context.Context, contact, address string) (peer.ID, error) {
	if own := n.agents.get(address); own != nil {
		return peerOf(own.peerPublicKey)
	}
	providers := []string{contact}
	if contact == "" {
		found, err := n.find(ctx, address)
		if err != nil {
			return "", err
		}
		providers = found
	}
	failure := fmt.Errorf("nobody provides it")
	for _, provider := range providers {
		found, err := n.lookUp(ctx, provider, address)
		if err != nil || found.Record == nil {
			failure = fmt.Errorf("provider %s: %w", provider, orUnknown(err))
			continue
		}
		agent, err := decodeRecord(found.Record)
		if err != nil {
			return "", err
		}
		target, err := peerOf(agent.peerPublicKey)
		if err != nil {
			return "", err
		}
		return target, n.connect(ctx, target, provider)
	}
	return "", failure
}

func orUnknown(err error) error {
	if err == nil {
		return fmt.Errorf("unknown agent address")
	}
	return err
}

// A peer of another id than the provider is its relay client; when the relay does not reach it the DHT says where it is.
func (n *peerNode) connect(ctx context.Context, target peer.ID, provider string) error {
	if target.String() == provider || n.host.Network().Connectedness(target) == network.Connected {
		return nil
	}
	relayed := peer.AddrInfo{ID: target, Addrs: []multiaddr.Multiaddr{
		multiaddr.StringCast(fmt.Sprintf("/p2p/%s/p2p-circuit", provider)),
	}}
	if n.host.Connect(network.WithUseTransient(ctx, "agents behind relays"), relayed) == nil {
		return nil
	}
	found, err := n.dht.FindPeer(ctx, target)
	if err != nil {
		return err
	}
	return n.host.Connect(network.WithUseTransient(ctx, "agents behind relays"), found)
}

func statusOf(reply *message, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if reply.kind != fieldStatus {
		return nil, fmt.Errorf("answered with a message of kind %d", reply.kind)
	}
	return map[string]int{"code": reply.code}, nil
}
