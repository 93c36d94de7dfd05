// The cache that Argo CD's controllers share: Redis's protocol, in memory, without anything to install.
//
//	redis ADDRESS    listens there until it is stopped
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/alicebob/miniredis/v2"
)

const tick = time.Second

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: redis ADDRESS")
		os.Exit(2)
	}
	server := miniredis.NewMiniRedis()
	if err := server.StartAddr(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening on", server.Addr())
	for range time.Tick(tick) { // its clock stands still unless it is told the time
		server.FastForward(tick)
	}
}
