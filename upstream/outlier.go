package upstream

import (
	"math"
	"time"
)

// outlier is the policy of an outlier detection: Envoy's, as a value.
type outlier struct {
	serverErrors  int // in a row, 0 for off
	gatewayErrors int // in a row, 0 for off
	hosts         int // that have had requests, for the success rate; 0 for off
	requests      int // in one interval, for the success rate
	deviations    float64
	interval      time.Duration
	base, longest time.Duration
	percent       int
	nils          int // options that were nil

	// Guarded by the pool's mu.
	next  int64 // the end of the interval
	begun int64
	rates []float64  // memory of the sweep
	peers []*Backend // whose rates they are
}

// OutlierOption configures [WithOutlier].
type OutlierOption func(*outlier)

// WithOutlier ejects peers whose answers stand out, for a time, as Envoy's
// outlier detection does, beside [MaxFails]. It judges by [Request.Status], and
// by the [Outcome] where there is no status: a Failure without an answer is a
// gateway error. Free attempts, and Pass without a status, do not count.
// Default: no detection. Without options:
//
//   - 5 answers of 500 to 599 in a row eject ([Consecutive5xx]);
//   - a success rate below the mean of the peers less 1.9 standard deviations
//     ejects, where at least 5 peers have had 100 requests in an interval of 10 s
//     ([SuccessRate], [OutlierInterval]);
//   - an ejection lasts 30 s times the number of ejections, at most 300 s
//     ([EjectionTime]);
//   - at most 10 % of the peers are out at a time, but one always may be
//     ([MaxEjected]).
//
// A peer that max_fails disables gives few answers to judge by: use MaxFails(0),
// or a high number, where the detection is to decide.
//
// An ejection ends when its time is over, or when [Pool.SetHealth] reports the
// peer up and no source reports it down. Each interval that a peer is in
// takes one off the number its next ejection lasts by. The only backend of a
// pool is never ejected.
//
// What is due is done by picks, at the times they bring: a pool without traffic
// does nothing.
func WithOutlier(opts ...OutlierOption) Option {
	return func(c *config) {
		o := &outlier{
			serverErrors: 5,
			hosts:        5, requests: 100, deviations: 1.9,
			interval: 10 * time.Second,
			base:     30 * time.Second, longest: 300 * time.Second,
			percent: 10,
		}
		for _, f := range opts {
			if f == nil {
				o.nils++
				continue
			}
			f(o)
		}
		c.outlier = o
	}
}

// Consecutive5xx sets how many answers of 500 to 599 in a row eject a peer; no
// answer at all is one too. 0 or more. Default 5; 0 is off.
func Consecutive5xx(n int) OutlierOption { return func(o *outlier) { o.serverErrors = n } }

// ConsecutiveGateway sets how many answers of 502, 503 or 504 in a row eject a
// peer; no answer at all is one too. 0 or more. Default 0, off (in Envoy it is 5,
// and not enforced).
func ConsecutiveGateway(n int) OutlierOption { return func(o *outlier) { o.gatewayErrors = n } }

// SuccessRate sets by how many standard deviations a peer's rate of answers below
// 500 may lie under the mean of all, 0 or more, and what it takes to judge: at
// least so many peers with at least so many requests each in one interval.
// Default 5 peers, 100 requests, 1.9; 0 peers is off.
func SuccessRate(peers, requests int, deviations float64) OutlierOption {
	return func(o *outlier) { o.hosts, o.requests, o.deviations = peers, requests, deviations }
}

// OutlierInterval sets how often success rates are judged; above 0. Default 10s.
func OutlierInterval(d time.Duration) OutlierOption { return func(o *outlier) { o.interval = d } }

// EjectionTime sets how long the first ejection lasts, above 0; the second lasts
// twice as long, and so on, and none longer than longest. Default 30s and 300s.
func EjectionTime(base, longest time.Duration) OutlierOption {
	return func(o *outlier) { o.base, o.longest = base, longest }
}

// MaxEjected sets how many of the pool's backends may be ejected at a time, in
// percent from 0 to 100; one always may be. Default 10.
func MaxEjected(percent int) OutlierOption { return func(o *outlier) { o.percent = percent } }

// validate reports every problem of the options.
func (o *outlier) validate(bad func(format string, args ...any)) {
	if o.serverErrors < 0 || o.gatewayErrors < 0 {
		bad("outlier: %d errors or %d gateway errors in a row are negative", o.serverErrors, o.gatewayErrors)
	}
	if o.hosts < 0 || o.requests < 0 || !(o.deviations >= 0) {
		bad("outlier: success rate of %d peers, %d requests, %v deviations is negative", o.hosts, o.requests, o.deviations)
	}
	if o.interval <= 0 {
		bad("outlier: interval %v is not above 0", o.interval)
	}
	if o.base <= 0 || o.longest < o.base {
		bad("outlier: ejection time %v to %v is not above 0, or ends before it begins", o.base, o.longest)
	}
	if o.percent < 0 || o.percent > 100 {
		bad("outlier: %d percent ejected is outside 0 to 100", o.percent)
	}
	if o.nils > 0 {
		bad("outlier: %d of the options are nil", o.nils)
	}
}

// span is how long the n-th ejection of a peer lasts.
func (o *outlier) span(n int) int64 {
	if int64(n) > int64(o.longest/o.base) {
		return int64(o.longest)
	}
	return int64(o.base) * int64(n)
}

// room reports whether one more of so many peers may be ejected.
func (o *outlier) room(ejected, peers int) bool {
	return ejected == 0 || (ejected+1)*100 <= o.percent*peers
}

// floor is the success rate below which a peer stands out. It reports false
// where there are too few rates to tell.
func (o *outlier) floor(rates []float64) (least float64, ok bool) {
	if o.hosts == 0 || len(rates) < o.hosts {
		return 0, false
	}
	var sum, squares float64
	for _, r := range rates {
		sum += r
	}
	mean := sum / float64(len(rates))
	for _, r := range rates {
		squares += (r - mean) * (r - mean)
	}
	return mean - o.deviations*math.Sqrt(squares/float64(len(rates))), true
}

// grade is what an attempt says of its peer.
type grade uint8

const (
	gradeNone    grade = iota // nothing
	gradeGood                 // an answer below 500
	gradeServer               // 500 and above
	gradeGateway              // 502, 503, 504, or no answer
)

func gradeOf(status int, o Outcome) grade {
	switch {
	case o == Free:
		return gradeNone
	case status >= 502 && status <= 504:
		return gradeGateway
	case status >= 500:
		return gradeServer
	case status > 0 || o == Success:
		return gradeGood
	case o == Failure:
		return gradeGateway
	}
	return gradeNone
}
