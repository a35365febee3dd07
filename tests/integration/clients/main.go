// SPDX-License-Identifier: PostgreSQL

// A pool of pgx made as docs/clients.md says (keyturn.go comes from there): a
// new login for each line of standard input.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
)

func main() {
	ctx := context.Background()
	pool, err := Pool(ctx, os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		pool.Reset()
		var user string
		err := pool.QueryRow(ctx, "select current_user").Scan(&user)
		if err != nil {
			user = err.Error()
		}
		fmt.Println(user)
	}
	pool.Close()
}
