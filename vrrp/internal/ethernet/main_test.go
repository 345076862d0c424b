package ethernet

import (
	"testing"

	"github.com/mainstay-ha/mainstay/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }
