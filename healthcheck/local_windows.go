package healthcheck

import "syscall"

// localErrors: no descriptor, no memory, no local port or address, by their
// Winsock numbers (the syscall package's names of them are numbers of its own).
var localErrors = [...]syscall.Errno{
	10024, // WSAEMFILE
	10048, // WSAEADDRINUSE
	10049, // WSAEADDRNOTAVAIL
	10055, // WSAENOBUFS
}
