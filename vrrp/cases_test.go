package vrrp

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// conformance lists what any VRRP router should be tried with, by the numbers
// that the tests' comments use, and where that is done here: a test, or a script
// below testdata/election.
var conformance = []struct {
	number int
	what   string
	where  string
}{
	{10, "start, priority 100, 1 s, silence: Active after 3.609375 s; advert, install, announce", "TestRFC9568_6_4_2_TimerFires TestRunTakesOverAndResigns install.txt"},
	{11, "every priority at 10 ms, 1 s, 40.95 s: exact, and ordered", "TestRFC9568_6_4_2_TakeoverExactAtEveryPriority TestRFC3768_6_1_SkewAndDownInterval"},
	{12, "start with 255: Active at once", "TestRFC9568_6_4_1_StartupOwner owner.txt"},
	{13, "an advert at the deadline, or just before: no silence", "TestAdvertAtTheDeadline TestAdvertsBeforeDeadlines"},
	{14, "priority 0 in Backup at every phase, twice: skew from the last", "TestRFC9568_6_4_2_PriorityZero"},
	{15, "priority 0 while Active: advert at once, timer anew", "TestRFC9568_6_4_3_PriorityZeroAdvert"},
	{16, "Backup hears equal priority, lower address: follows", "TestRFC9568_6_4_2_HigherOrEqualPriorityAdvert"},
	{17, "Active hears equal priority: higher, lower, own address", "TestRFC9568_6_4_3_TieBreak TestEveryStateMeetsEveryEvent"},
	{18, "IPv6 ties on all 16 bytes", "TestRFC9568_6_4_3_TieBreak"},
	{19, "a higher one starts: one transition on each side", "preempt.txt"},
	{20, "without preemption: stays, until death or resignation", "TestRFC9568_6_4_2_LowerPriorityAdvert nopreempt.txt"},
	{21, "preempt delay: lower heard, higher heard, silence", "TestPreemptDelay TestTrackersAndPreemption preempt-delay.txt preempt-rest.txt"},
	{22, "intervals are learned, back and forth, and forgotten", "TestRFC9568_6_4_2_LearnsInterval TestRFC3768_6_4_2_LearnsNothing intervals.txt"},
	{23, "a losing advert: answered, announced against, timer untouched", "TestRFC9568_6_4_3_LosingAdvert TestAnnounceFlood"},
	{24, "a split heals: one Active in two intervals, and the last word is the winner's", "TestSplitHeal TestSplitHealToTheLetter TestModel split.txt strict.txt"},
	{25, "two owners converge, and say so", "TestErratum8298_TwoOwners TestTwoOwnersOnLAN TestOwnerConflict owner.txt"},
	{26, "three of one priority start together", "TestSynchronizedStart TestTieOnLAN three-equal.txt"},
	{27, "links that carry one way", "TestOneWay oneway.txt oneway-higher.txt oneway-recovers.txt"},
	{28, "what trackers add, clamped; owners are immune", "TestEffectivePriority TestTrackersInAnyOrder"},
	{29, "the priority falls below a peer's: told at once, preempted in a down interval, deadlines shift", "TestPriorityChangeIsTold TestPriorityCrossesThePeer TestClaimNoLongerOutranks degrade.txt"},
	{30, "faults, alone and together, in every state", "TestFault TestEveryStateMeetsEveryEvent faults.txt fault.txt"},
	{33, "settings change while Active: no transition", "TestSettings TestUpdateCall TestUpdatePlan interval-grows.txt"},
	{34, "the wall clock steps; the host sleeps", "TestWallClockSteps TestTimeBackwards TestSleptHost suspend.txt suspend-backup.txt"},
	{35, "the driver is late, with and without adverts in its queue", "TestLateActive TestLateBackup TestChangeIsNoStall stall.txt stall-nopreempt.txt"},
	{36, "a consumer of transitions never reads", "TestSlowCallback"},
	{38, "two to five nodes by chance, a million steps", "TestModel TestLANModel FuzzMachine"},
}

// What keepalived was seen to do, and must not happen here.
var keepalived = []struct{ what, where string }{
	{"a packet that is dropped restarts the advert timer", "TestDropsAreCountedAndTouchNothing"},
	{"a Backup takes over under a flood of junk", "TestFlood TestDrainIsBounded"},
	{"an interval of 0 makes a Backup take over", "TestRFC9568_7_1_FieldChecks"},
	{"the loser of a split leaves without a word, and nobody announces", "TestSplitHeal split.txt"},
	{"another address list is dropped", "TestDifferencesAreNoDrops"},
	{"an owner yields to any other", "TestErratum8298_TwoOwners"},
	{"announcements go on after the router has yielded", "TestAnnounceFlood TestEveryStateMeetsEveryEvent"},
	{"priority 0 is sent twice on the way to FAULT", "TestFault"},
	{"the learned interval stays after a promotion", "TestRFC9568_6_4_2_LearnsInterval"},
	{"a preempt delay prolongs an outage", "TestPreemptDelay preempt-delay.txt"},
	{"a tracker turns preemption on", "TestTrackersAndPreemption"},
}

// The lists above name what exists.
func TestConformanceListIsTrue(t *testing.T) {
	exists := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				exists[f.Name.Name] = true
			}
		}
	}
	check := func(what, where string) {
		for _, name := range strings.Fields(where) {
			_, err := os.Stat(filepath.Join("testdata", "election", name))
			if !exists[name] && err != nil {
				t.Errorf("%s: there is no %s", what, name)
			}
		}
	}
	for _, c := range conformance {
		check(c.what, c.where)
	}
	for _, c := range keepalived {
		check(c.what, c.where)
	}
}
