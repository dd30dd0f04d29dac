// Command runtime-shim stands in front of runc on a machine without CAP_SYS_RESOURCE.
//
// There runc refuses a privileged container, a negative OOM score and a limit above the machine's own,
// all of which a Minikube node asks for. The shim takes exactly these out of the container's configuration
// and then becomes runc. It is a runtime of the engine (default-runtime) and of containerd in the node.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const lacking = "CAP_SYS_RESOURCE"

// resources are the names of setrlimit(2), by number.
var resources = []string{
	"RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_DATA", "RLIMIT_STACK", "RLIMIT_CORE", "RLIMIT_RSS", "RLIMIT_NPROC", "RLIMIT_NOFILE",
	"RLIMIT_MEMLOCK", "RLIMIT_AS", "RLIMIT_LOCKS", "RLIMIT_SIGPENDING", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO", "RLIMIT_RTTIME",
}

const infinity = ^uint64(0)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "runtime-shim: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if file, nested := specification(args); file != "" {
		if err := rewrite(file, nested); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	runc, err := findRunc()
	if err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{"runc"}, args...), os.Environ())
}

func findRunc() (string, error) {
	for _, path := range []string{"/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc", "/usr/local/bin/runc"} {
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	if path, err := exec.LookPath("runc"); err == nil {
		return path, nil
	}
	return "", errors.New("runc is not installed: install the package runc")
}

// specification is the file that the subcommand reads the process from, and whether the process is a part of
// it (a bundle's config.json) or all of it (exec's process file). Empty when the subcommand starts no process.
func specification(args []string) (file string, nested bool) {
	switch {
	case slices.Contains(args, "create"), slices.Contains(args, "run"):
		bundle := option(args, "--bundle", "-b")
		if bundle == "" {
			bundle = "."
		}
		return filepath.Join(bundle, "config.json"), true
	case slices.Contains(args, "exec"):
		return option(args, "--process", "-p"), false
	}
	return "", false
}

// option is the value of a flag given as "--flag value" or "--flag=value".
func option(args []string, names ...string) string {
	for i, arg := range args {
		for _, name := range names {
			if arg == name && i+1 < len(args) {
				return args[i+1]
			}
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				return value
			}
		}
	}
	return ""
}

func rewrite(file string, nested bool) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var spec map[string]any
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber() // a limit can be larger than a float holds exactly
	if err := decoder.Decode(&spec); err != nil {
		return err
	}
	process := spec
	if nested {
		process, _ = spec["process"].(map[string]any)
	}
	if process == nil {
		return nil
	}
	if err := restrict(process, hardLimit); err != nil {
		return err
	}
	if content, err = json.Marshal(spec); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, info.Mode().Perm())
}

// restrict changes an OCI process so that it asks for nothing that the machine cannot give.
// Format: https://github.com/opencontainers/runtime-spec, config.md, "process".
func restrict(process map[string]any, hardLimit func(name string) (uint64, bool)) error {
	sets, _ := process["capabilities"].(map[string]any)
	for name, value := range sets {
		list, _ := value.([]any)
		sets[name] = slices.DeleteFunc(list, func(c any) bool { return c == lacking })
	}
	if score, ok := process["oomScoreAdj"].(json.Number); ok && strings.HasPrefix(score.String(), "-") {
		process["oomScoreAdj"] = 0
	}
	limits, _ := process["rlimits"].([]any)
	for _, entry := range limits {
		limit, _ := entry.(map[string]any)
		name, _ := limit["type"].(string)
		most, ok := hardLimit(name)
		if !ok {
			continue
		}
		for _, key := range []string{"hard", "soft"} {
			value, err := number(limit[key])
			if err != nil {
				return fmt.Errorf("%s of %s: %w", key, name, err)
			}
			limit[key] = min(value, most)
		}
	}
	return nil
}

func number(value any) (uint64, error) {
	text, ok := value.(json.Number)
	if !ok {
		return 0, fmt.Errorf("%v is not a number", value)
	}
	var n uint64
	_, err := fmt.Sscan(text.String(), &n)
	return n, err
}

// hardLimit is this process's own hard limit; false where there is none to keep to.
func hardLimit(name string) (uint64, bool) {
	resource := slices.Index(resources, name)
	if resource < 0 {
		return 0, false
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(resource, &limit); err != nil || limit.Max == infinity {
		return 0, false
	}
	return limit.Max, true
}
