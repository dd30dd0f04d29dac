// Command image-build builds one image with a BuildKit daemon.
//
// What to build comes as JSON on standard input, because a command line shows its build arguments to every user of the
// machine. The steps go to standard output as plain text; why it failed is the last line on standard error.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/util/progress/progressui"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// request is what standard input says.
type request struct {
	Address    string            `json:"address"`    // of the daemon, unix:///...
	Context    string            `json:"context"`    // directory
	Entries    [][]byte          `json:"entries"`    // paths in it that the builder sees, each after its directory; all without them
	Dockerfile string            `json:"dockerfile"` // file, inside of the context or not
	Options    map[string]string `json:"options"`    // of the Dockerfile frontend
	Allow      []string          `json:"allow"`      // entitlements
	Output     struct {
		Type       string            `json:"type"`
		Attributes map[string]string `json:"attributes"`
	} `json:"output"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var wanted request
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wanted); err != nil {
		return fmt.Errorf("what to build is expected as JSON on standard input: %w", err)
	}
	source, err := fsutil.NewFS(wanted.Context)
	if err != nil {
		return err
	}
	if wanted.Entries != nil {
		source = listed{source, setOf(wanted.Entries)}
	}
	directory, name := filepath.Split(wanted.Dockerfile)
	recipe, err := fsutil.NewFS(directory)
	if err != nil {
		return err
	}
	daemon, err := client.New(ctx, wanted.Address)
	if err != nil {
		return err
	}
	defer daemon.Close()

	options := map[string]string{"filename": name}
	for key, value := range wanted.Options {
		options[key] = value
	}
	credentials := authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(os.Stderr)),
	})
	display, err := progressui.NewDisplay(os.Stdout, progressui.PlainMode)
	if err != nil {
		return err
	}
	steps := make(chan *client.SolveStatus)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		_, err := daemon.Solve(ctx, nil, client.SolveOpt{
			Frontend:            "dockerfile.v0",
			FrontendAttrs:       options,
			LocalMounts:         map[string]fsutil.FS{"context": source, "dockerfile": recipe},
			Exports:             []client.ExportEntry{{Type: wanted.Output.Type, Attrs: wanted.Output.Attributes}},
			AllowedEntitlements: wanted.Allow,
			Session:             []session.Attachable{credentials},
		}, steps)
		return err
	})
	group.Go(func() error {
		// A context of its own: the last steps are shown after a failure too.
		_, err := display.UpdateFrom(context.Background(), steps)
		return err
	})
	return group.Wait()
}

// listed is a directory of which only some entries are seen: those that the digest was computed over.
type listed struct {
	fsutil.FS
	entries map[string]bool
}

func setOf(paths [][]byte) map[string]bool {
	set := make(map[string]bool, len(paths))
	for _, path := range paths {
		set[string(path)] = true
	}
	return set
}

// Walk calls visit for what lies below target, directories before what is in them.
func (l listed) Walk(ctx context.Context, target string, visit fs.WalkDirFunc) error {
	return l.FS.Walk(ctx, target, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case l.entries[path]:
			return visit(path, entry, err)
		case entry != nil && entry.IsDir():
			return filepath.SkipDir
		}
		return nil
	})
}

// Open opens a file by its path in the directory.
func (l listed) Open(path string) (io.ReadCloser, error) {
	if !l.entries[path] {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return l.FS.Open(path)
}
