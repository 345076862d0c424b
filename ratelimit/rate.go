package ratelimit

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/time/rate"
)

// Limit is a frequency in events per second, the same type as [rate.Limit].
type Limit = rate.Limit

// maxRate is the largest number of a rate: in thousandths it has 32 bits.
const maxRate = 4_294_967

// ParseRate reads a rate as nginx's limit_req_zone writes it: a whole number from 1 to 4294967 and "r/s" (requests per
// second) or "r/m" (per minute); without a suffix it is per second.
//
// The result is what nginx computes with, in whole thousandths of a request per second and rounded down: "30r/m" is
// 0.5, but "1r/m" is 0.016 (a request every 62.5 seconds, not every 60) and "7r/m" is 0.116. An error names the text.
func ParseRate(text string) (Limit, error) {
	milli, err := parseRate(text)
	return Limit(milli) / 1000, err
}

// parseRate returns the rate in thousandths of a request per second.
func parseRate(text string) (int64, error) {
	number, scale := text, uint64(1)
	if n, ok := strings.CutSuffix(text, "r/s"); ok {
		number = n
	} else if n, ok := strings.CutSuffix(text, "r/m"); ok {
		number, scale = n, 60
	}
	if number == "" || strings.Trim(number, "0123456789") != "" {
		return 0, fmt.Errorf("ratelimit: rate %q: want a whole number and r/s or r/m, such as 10r/s", text)
	}
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || n < 1 || n > maxRate {
		return 0, fmt.Errorf("ratelimit: rate %q: the number must be from 1 to %d", text, maxRate)
	}
	return int64(n * 1000 / scale), nil
}
