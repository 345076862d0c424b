package http1

import "strconv"

// AppendRequestLine appends "method target HTTP/1.1\r\n".
func AppendRequestLine(dst, method, target []byte) []byte {
	dst = append(dst, method...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	return append(dst, " HTTP/1.1\r\n"...)
}

// AppendField appends "name: value\r\n". It does not validate.
func AppendField[T ~string | ~[]byte](dst []byte, name string, value T) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// AppendFields appends the fields that are not hop-by-hop and not in skip. fields must come from Parse, whole or
// as a sub-slice: neighbours that were sent in the plain form are copied in one piece.
func AppendFields(dst []byte, fields []Field, skip Set) []byte {
	for i := 0; i < len(fields); {
		first := &fields[i]
		i++
		if first.Hop || skip.Has(first.ID) {
			continue
		}
		if !first.Plain {
			dst = append(dst, first.Name...)
			dst = append(dst, ": "...)
			dst = append(dst, first.Value...)
			dst = append(dst, "\r\n"...)
			continue
		}
		last := first
		for i < len(fields) && fields[i].Plain && !fields[i].Hop && !skip.Has(fields[i].ID) {
			last = &fields[i]
			i++
		}
		// Both alias one buffer, and their capacities reach to its end.
		n := cap(first.Name) - cap(last.Value) + len(last.Value) + 2
		dst = append(dst, first.Name[:n]...)
	}
	return dst
}

// AppendContentLength appends "Content-Length: n\r\n".
func AppendContentLength(dst []byte, n int64) []byte {
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, "\r\n"...)
}

// AppendChunk appends data as one chunk; empty data appends nothing (an empty chunk would end the body).
func AppendChunk(dst, data []byte) []byte {
	if len(data) == 0 {
		return dst
	}
	dst = AppendChunkHead(dst, int64(len(data)))
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// AppendChunkHead appends the line before a chunk of n > 0 bytes; "\r\n" must follow the data.
func AppendChunkHead(dst []byte, n int64) []byte {
	dst = strconv.AppendInt(dst, n, 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the end of a chunked body, without trailers.
func AppendLastChunk(dst []byte) []byte { return append(dst, "0\r\n\r\n"...) }
