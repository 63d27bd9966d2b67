// Answers every request with the same text. The request's message is in lunatic-abi.md, section 3.5.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
)

//go:wasmimport lunatic::message receive
func receive(tags *int64, tagCount uint32, timeoutMs int64) uint32

//go:wasmimport lunatic::message data_size
func dataSize() uint64

//go:wasmimport lunatic::message read_data
func readData(to *byte, length uint32) uint32

//go:wasmimport lunatic::message create_data
func createData(tag int64, capacity uint64)

//go:wasmimport lunatic::message write_data
func writeData(from *byte, length uint32) uint32

//go:wasmimport lunatic::message send
func send(process uint64) uint32

var errMalformed = errors.New("the request is malformed")

// reader takes MessagePack values from the front of a message; after the first malformed one it only fails.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) take(count uint64) []byte {
	if r.err != nil || count > uint64(len(r.rest)) {
		r.err = errMalformed
		return nil
	}
	taken := r.rest[:count]
	r.rest = r.rest[count:]
	return taken
}

func (r *reader) number(width uint64) uint64 {
	var word [8]byte
	copy(word[8-width:], r.take(width))
	return binary.BigEndian.Uint64(word[:])
}

func (r *reader) expect(prefix string) {
	if taken := r.take(uint64(len(prefix))); string(taken) != prefix {
		r.err = errMalformed
	}
}

func (r *reader) unsigned() uint64 {
	switch kind := r.number(1); {
	case kind < 0x80:
		return kind
	case kind >= 0xcc && kind <= 0xd3:
		return r.number(1 << (kind & 3))
	}
	r.err = errMalformed
	return 0
}

// value returns the bytes of the next value, whatever it is.
func (r *reader) value() []byte {
	start := r.rest
	for values := uint64(1); values > 0 && r.err == nil; values-- {
		switch kind := r.number(1); {
		case kind < 0x80 || kind >= 0xe0: // small integer
		case kind < 0x90: // small map
			values += 2 * (kind & 15)
		case kind < 0xa0: // small array
			values += kind & 15
		case kind < 0xc0: // short string
			r.take(kind & 31)
		case kind >= 0xc4 && kind <= 0xc6: // binary
			r.take(r.number(1 << (kind - 0xc4)))
		case kind >= 0xcc && kind <= 0xd3: // integer
			r.take(1 << (kind & 3))
		case kind >= 0xd9 && kind <= 0xdb: // string
			r.take(r.number(1 << (kind - 0xd9)))
		case kind == 0xdc || kind == 0xdd: // array
			values += r.number(2 << (kind - 0xdc))
		case kind == 0xde || kind == 0xdf: // map
			values += 2 * r.number(2<<(kind-0xde))
		default:
			r.err = errMalformed
		}
	}
	return start[:len(start)-len(r.rest)]
}

//go:wasmexport frenezulo_main
func handle() {
	if receive(nil, 0, -1) != 0 {
		panic("a message is expected, not a signal")
	}
	message := make([]byte, dataSize()+1) // one more, so that an empty message has an address too
	r := reader{rest: message[:readData(&message[0], uint32(len(message)))]}
	r.expect("\x81\xa7Request\x93\x91")
	id := r.value()
	r.value()            // the request itself
	r.expect("\x92\x00") // [node 0, process]
	process := r.unsigned()
	if r.err != nil {
		panic(r.err)
	}
	// {"CompleteRequest": [[id], [[200, "Http11", {"content-type": ["text/plain; charset=utf-8"]}], "Hello World!"]]}
	reply := bytes.Join([][]byte{
		[]byte("\x81\xafCompleteRequest\x92\x91"),
		id,
		[]byte("\x92\x93\xcc\xc8\xa6Http11\x81\xaccontent-type\x91\xc4\x19text/plain; charset=utf-8"),
		[]byte("\xc4\x0cHello World!"),
	}, nil)
	createData(0, 0)
	writeData(&reply[0], uint32(len(reply)))
	send(process)
}

func main() {}
