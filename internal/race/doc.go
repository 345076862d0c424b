// Package race says whether the race detector is compiled in.
//
// Allocation gates skip under it: the detector allocates on its own account.
package race
