package relay_test

import "golang.org/x/sys/windows"

const errReset = windows.WSAECONNRESET
