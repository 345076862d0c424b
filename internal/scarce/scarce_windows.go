package scarce

import "syscall"

// The numbers are Winsock's: the syscall package's constants of these names are numbers of its own.
var numbers = [...]syscall.Errno{
	10024, // WSAEMFILE
	10048, // WSAEADDRINUSE
	10049, // WSAEADDRNOTAVAIL
	10055, // WSAENOBUFS
}
