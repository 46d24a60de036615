// A server and a client on Go's net/http, for tests/flow_control/outside.rs.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
)

// serve ADDRESS CERT KEY DIR, or post URL FILE.
func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	} else {
		post(os.Args[2], os.Args[3])
	}
}

func serve(address, cert, key, dir string) {
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})
	http.Handle("/", http.FileServer(http.Dir(dir)))
	fail(http.ListenAndServeTLS(address, cert, key, nil))
}

func post(url, path string) {
	file, err := os.Open(path)
	fail(err)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}
	client := &http.Client{Transport: transport}
	response, err := client.Post(url, "application/octet-stream", file)
	fail(err)
	body, err := io.ReadAll(response.Body)
	fail(err)
	fmt.Printf("%s %s", response.Proto, body)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
