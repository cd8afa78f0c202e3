package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// The longest frame, in bytes.
const maxFrame = 3 * 1024 * 1024

// Numbers of the fields of a message: which one is there says what it is.
const (
	fieldEnvelope       = 5
	fieldLookupRequest  = 6
	fieldLookupResponse = 7
	fieldRegister       = 8
	fieldStatus         = 9
)

// Codes of a status.
const (
	statusSuccess        = 0
	statusUnexpected     = 2
	statusDecode         = 4
	statusWrongPublicKey = 11
	statusUnknownAddress = 20
)

// What is read of an agent record; the signature is judged by the peers under test.
type record struct {
	raw           []byte
	address       string
	peerPublicKey string
}

// A message of the network: kind is the number of its field.
type message struct {
	kind     protowire.Number
	envelope []byte
	record   *record
	address  string
	code     int
}

func writeFrame(w io.Writer, body []byte) error {
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err := w.Write(append(frame, body...))
	return err
}

func readFrame(r io.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > maxFrame {
		return nil, fmt.Errorf("frame of %d bytes", length)
	}
	body := make([]byte, length)
	_, err := io.ReadFull(r, body)
	return body, err
}

// A field that holds bytes: text, bytes or a message.
func bytesField(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func encodeEnvelope(envelope, record []byte) []byte {
	return bytesField(fieldEnvelope, append(bytesField(1, envelope), bytesField(2, record)...))
}

func encodeLookupRequest(address string) []byte {
	return bytesField(fieldLookupRequest, bytesField(1, []byte(address)))
}

func encodeLookupResponse(record []byte) []byte {
	return bytesField(fieldLookupResponse, bytesField(1, record))
}

func encodeRegister(record []byte) []byte {
	return bytesField(fieldRegister, bytesField(1, record))
}

// A status always has a body, be it empty.
func encodeStatus(code int) []byte {
	var body []byte
	if code != statusSuccess {
		body = protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	}
	return bytesField(fieldStatus, bytesField(1, body))
}

// Calls take with each field of a message; value is nil for numbers.
func fields(data []byte, take func(number protowire.Number, value []byte, varint uint64) error) error {
	for len(data) > 0 {
		number, kind, length := protowire.ConsumeTag(data)
		if length < 0 {
			return protowire.ParseError(length)
		}
		data = data[length:]
		var value []byte
		var varint uint64
		switch kind {
		case protowire.BytesType:
			value, length = protowire.ConsumeBytes(data)
		case protowire.VarintType:
			varint, length = protowire.ConsumeVarint(data)
		default:
			length = protowire.ConsumeFieldValue(number, kind, data)
		}
		if length < 0 {
			return protowire.ParseError(length)
		}
		data = data[length:]
		if err := take(number, value, varint); err != nil {
			return err
		}
	}
	return nil
}

func decodeRecord(data []byte) (*record, error) {
	result := &record{raw: data}
	err := fields(data, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case 3:
			result.address = string(value)
		case 5:
			result.peerPublicKey = string(value)
		}
		return nil
	})
	return result, err
}

// The receiver of an envelope.
func receiverOf(envelope []byte) (string, error) {
	to := ""
	err := fields(envelope, func(number protowire.Number, value []byte, _ uint64) error {
		if number == 1 {
			to = string(value)
		}
		return nil
	})
	return to, err
}

func decodeMessage(data []byte) (*message, error) {
	result := &message{}
	err := fields(data, func(number protowire.Number, value []byte, _ uint64) error {
		if number < fieldEnvelope || number > fieldStatus {
			return nil
		}
		*result = message{kind: number}
		return fields(value, func(inner protowire.Number, content []byte, _ uint64) (err error) {
			switch {
			case number == fieldEnvelope && inner == 1:
				result.envelope = content
			case number == fieldEnvelope && inner == 2, number == fieldLookupResponse && inner == 1, number == fieldRegister && inner == 1:
				result.record, err = decodeRecord(content)
			case number == fieldLookupRequest && inner == 1:
				result.address = string(content)
			case number == fieldStatus && inner == 1:
				return fields(content, func(field protowire.Number, _ []byte, code uint64) error {
					if field == 1 {
						result.code = int(code)
					}
					return nil
				})
			}
			return err
		})
	})
	if err == nil && result.kind == 0 {
		err = errors.New("message without content")
	}
	return result, err
}
