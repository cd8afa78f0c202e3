// A peer, or a relay client, of the Agent Communication Network on go-libp2p, for tests of other peers: commands come
// as JSON lines on standard input, answers and events go as JSON lines to standard output. README.md lists them.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"
)

// How long a command may take.
const commandTime = 30 * time.Second

type command struct {
	ID      int    `json:"id"`
	Name    string `json:"cmd"`
	Address string `json:"address"`
	PeerID  string `json:"peerId"`
	// Bytes in base64.
	Envelope []byte   `json:"envelope"`
	Record   []byte   `json:"record"`
	Key      []byte   `json:"privateKey"`
	Entries  []string `json:"entryPeers"`
	IsClient bool     `json:"isClient"`
}

type answer struct {
	ID     int    `json:"id"`
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

var output struct {
	sync.Mutex
	*json.Encoder
}

func emit(line any) {
	output.Lock()
	defer output.Unlock()
	_ = output.Encode(line)
}

func main() {
	output.Encoder = json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 8*1024*1024)
	var node *peerNode
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			emit(answer{Error: err.Error()})
			continue
		}
		if c.Name == "start" {
			started, err := startNode(c)
			node = started
			reply(c, func() (any, error) { return startedResult(started), err })
			continue
		}
		if node == nil {
			emit(answer{ID: c.ID, Error: "not started"})
			continue
		}
		go reply(c, func() (any, error) {
			ctx, cancel := context.WithTimeout(context.Background(), commandTime)
			defer cancel()
			return node.run(ctx, c)
		})
	}
	if node != nil {
		node.stop()
	}
}

func reply(c command, run func() (any, error)) {
	result, err := run()
	if err != nil {
		emit(answer{ID: c.ID, Error: err.Error()})
		return
	}
	if result == nil {
		result = struct{}{}
	}
	emit(answer{ID: c.ID, Result: result})
}
