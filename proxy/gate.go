package proxy

import "time"

// Gate decides before a request is forwarded whether it may pass: a limit, an access rule. Both doors enter the same
// gates. The functions are called in the goroutine that serves the request and must be safe for concurrent use.
type Gate struct {
	// Enter judges a request, whose body has not been read. Required.
	Enter func(*Request) Verdict
	// Leave is called once, with the token of the verdict, when a request that Enter let pass has ended, however it
	// ended. Optional.
	Leave func(token uint64)
}

// Verdict is a gate's answer. The zero Verdict lets the request pass.
type Verdict struct {
	Status     int           // 0 passes; anything from 400 to 599 refuses with that status
	Wait       time.Duration // delay before the request passes
	RetryAfter time.Duration // of a refusal: the Retry-After field, in whole seconds rounded up; 0 is none
	Token      uint64        // handed to Leave
}

// pass is one gate that was entered.
type pass struct {
	leave func(uint64)
	token uint64
}

// enter passes the request through gates. It reports false if it was refused, with an answer, or if the client left.
func (ex *exchange) enter(gates []Gate) bool {
	for i := range gates {
		g := &gates[i]
		v := g.Enter(&ex.view)
		if v.Status != 0 {
			ex.proxy.stats.add(ex, statRefused)
			ex.refuse(refusal(v.Status), "gate", v.RetryAfter)
			return false
		}
		if g.Leave != nil {
			ex.passed = append(ex.passed, pass{g.Leave, v.Token})
		}
		if v.Wait > 0 && !ex.down.pause(v.Wait) {
			ex.abandon()
			return false
		}
	}
	return true
}

// leave ends what enter began.
func (ex *exchange) leave() {
	for len(ex.passed) > 0 {
		last := ex.passed[len(ex.passed)-1]
		ex.passed = ex.passed[:len(ex.passed)-1]
		last.leave(last.token)
	}
}

// refusal turns what a gate asks for into a status that refuses.
func refusal(status int) int {
	if status < 400 || status > 599 {
		return 503
	}
	return status
}
