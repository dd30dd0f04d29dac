// Command crictl talks to the node's container runtime over the Container Runtime Interface.
//
// It has the subcommands and flags that Minikube, kubeadm and a person looking into a node use of
// cri-tools' crictl, which is not published as a Go module that can be built. Output formats follow it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	cri "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"
)

const pullTimeout = 10 * time.Minute

// version is set by the linker.
var version = "dev"

// client opens the runtime's two services lazily, at the endpoint the flags name.
type client struct {
	endpoint string
	timeout  time.Duration
}

func (c *client) runtime() (internalapi.RuntimeService, error) {
	logger := klog.Background()
	return cri.NewRemoteRuntimeService(c.endpoint, c.timeout, nil, &logger)
}

func (c *client) images(timeout time.Duration) (internalapi.ImageManagerService, error) {
	logger := klog.Background()
	return cri.NewRemoteImageService(c.endpoint, timeout, nil, &logger)
}

func main() {
	c := &client{}
	root := &cobra.Command{Use: "crictl", Version: version, SilenceUsage: true}
	root.PersistentFlags().StringVarP(&c.endpoint, "runtime-endpoint", "r", "unix:///run/containerd/containerd.sock", "socket of the runtime")
	root.PersistentFlags().StringP("image-endpoint", "i", "", "accepted for compatibility; the runtime's socket serves both")
	root.PersistentFlags().StringP("config", "c", "", "accepted for compatibility; nothing is read from it")
	root.PersistentFlags().DurationVarP(&c.timeout, "timeout", "t", 10*time.Second, "limit of one call")
	root.AddCommand(c.versionCommand(), c.infoCommand(), c.psCommand(), c.podsCommand(), c.inspectCommand(), c.logsCommand(),
		c.stopCommand(), c.rmCommand(), c.stopPodCommand(), c.rmPodCommand(), c.imagesCommand(), c.pullCommand(), c.rmiCommand())
	if err := root.ExecuteContext(context.Background()); err != nil {
		os.Exit(1)
	}
}

func (c *client) versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		rt, err := c.runtime()
		if err != nil {
			return err
		}
		v, err := rt.Version(cmd.Context(), "v1")
		if err != nil {
			return err
		}
		fmt.Printf("Version:  %s\nRuntimeName:  %s\nRuntimeVersion:  %s\nRuntimeApiVersion:  %s\n",
			v.Version, v.RuntimeName, v.RuntimeVersion, v.RuntimeApiVersion)
		return nil
	}}
}

func (c *client) infoCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "info", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		rt, err := c.runtime()
		if err != nil {
			return err
		}
		s, err := rt.Status(cmd.Context(), true)
		if err != nil {
			return err
		}
		out := map[string]any{"status": s.Status}
		for key, value := range s.Info {
			out[key] = rawOrString(value)
		}
		return printJSON(out)
	}}
	cmd.Flags().StringP("output", "o", "json", "json")
	return cmd
}

func (c *client) psCommand() *cobra.Command {
	var all, quiet bool
	var name, label, pod, state string
	cmd := &cobra.Command{Use: "ps", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		rt, err := c.runtime()
		if err != nil {
			return err
		}
		filter := &runtimeapi.ContainerFilter{LabelSelector: selector(label), PodSandboxId: pod}
		containers, err := rt.ListContainers(cmd.Context(), filter)
		if err != nil {
			return err
		}
		for _, ct := range containers {
			running := ct.State == runtimeapi.ContainerState_CONTAINER_RUNNING
			wanted := strings.HasSuffix(strings.ToLower(ct.State.String()), strings.ToLower(state))
			if (!all && state == "" && !running) || !wanted || !strings.Contains(ct.Metadata.Name, name) {
				continue
			}
			if quiet {
				fmt.Println(ct.Id)
				continue
			}
			fmt.Printf("%.13s  %-18s %-28s %d  %s\n", ct.Id, strings.TrimPrefix(ct.State.String(), "CONTAINER_"),
				ct.Metadata.Name, ct.Metadata.Attempt, ct.Labels["io.kubernetes.pod.name"])
		}
		return nil
	}}
	f := cmd.Flags()
	f.BoolVarP(&all, "all", "a", false, "containers in every state")
	f.BoolVarP(&quiet, "quiet", "q", false, "IDs only")
	f.StringVar(&name, "name", "", "part of the container's name")
	f.StringVar(&label, "label", "", "key=value")
	f.StringVarP(&pod, "pod", "p", "", "pod sandbox ID")
	f.StringVarP(&state, "state", "s", "", "running, exited, created or unknown")
	return cmd
}

func (c *client) podsCommand() *cobra.Command {
	var quiet bool
	var name, namespace, label string
	cmd := &cobra.Command{Use: "pods", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		rt, err := c.runtime()
		if err != nil {
			return err
		}
		pods, err := rt.ListPodSandbox(cmd.Context(), &runtimeapi.PodSandboxFilter{LabelSelector: selector(label)})
		if err != nil {
			return err
		}
		for _, p := range pods {
			if !strings.Contains(p.Metadata.Name, name) || (namespace != "" && namespace != p.Metadata.Namespace) {
				continue
			}
			if quiet {
				fmt.Println(p.Id)
				continue
			}
			fmt.Printf("%.13s  %-10s %s/%s\n", p.Id, strings.TrimPrefix(p.State.String(), "SANDBOX_"), p.Metadata.Namespace, p.Metadata.Name)
		}
		return nil
	}}
	f := cmd.Flags()
	f.BoolVarP(&quiet, "quiet", "q", false, "IDs only")
	f.StringVar(&name, "name", "", "part of the pod's name")
	f.StringVar(&namespace, "namespace", "", "the pod's namespace")
	f.StringVar(&label, "label", "", "key=value")
	return cmd
}

func (c *client) inspectCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "inspect ID...", Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, ids []string) error {
		rt, err := c.runtime()
		if err != nil {
			return err
		}
		for _, id := range ids {
			s, err := rt.ContainerStatus(cmd.Context(), id, true)
			if err != nil {
				return err
			}
			out := map[string]any{"status": s.Status}
			for key, value := range s.Info {
				out[key] = rawOrString(value)
			}
			if err := printJSON(out); err != nil {
				return err
			}
		}
		return nil
	}}
	cmd.Flags().StringP("output", "o", "json", "json")
	return cmd
}

func (c *client) logsCommand() *cobra.Command {
	var tail int
	cmd := &cobra.Command{Use: "logs ID", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, ids []string) error {
		rt, err := c.runtime()
		if err != nil {
			return err
		}
		s, err := rt.ContainerStatus(cmd.Context(), ids[0], false)
		if err != nil {
			return err
		}
		file, err := os.Open(s.Status.LogPath)
		if err != nil {
			return err
		}
		defer file.Close()
		content, err := io.ReadAll(file)
		if err != nil {
			return err
		}
		lines := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
		if tail >= 0 && len(lines) > tail {
			lines = lines[len(lines)-tail:]
		}
		for _, line := range lines {
			// A line of the CRI log format is: time, stream, tag, message.
			fields := strings.SplitN(line, " ", 4)
			fmt.Println(fields[len(fields)-1])
		}
		return nil
	}}
	cmd.Flags().IntVar(&tail, "tail", -1, "only the last lines")
	return cmd
}

func (c *client) stopCommand() *cobra.Command {
	var grace int64
	cmd := c.eachContainer("stop", func(ctx context.Context, rt internalapi.RuntimeService, id string) error {
		return rt.StopContainer(ctx, id, grace)
	})
	// The persistent --timeout is the call's limit; here the same name is the grace period in seconds, as upstream has it.
	cmd.Flags().Int64Var(&grace, "timeout", 0, "seconds before the container is killed")
	return cmd
}

func (c *client) rmCommand() *cobra.Command {
	var force bool
	cmd := c.eachContainer("rm", func(ctx context.Context, rt internalapi.RuntimeService, id string) error {
		if force {
			if err := rt.StopContainer(ctx, id, 0); err != nil {
				return err
			}
		}
		return rt.RemoveContainer(ctx, id)
	})
	cmd.Flags().BoolVarP(&force, "force", "f", false, "stop it first")
	return cmd
}

func (c *client) stopPodCommand() *cobra.Command {
	return c.eachContainer("stopp", func(ctx context.Context, rt internalapi.RuntimeService, id string) error {
		return rt.StopPodSandbox(ctx, id)
	})
}

func (c *client) rmPodCommand() *cobra.Command {
	var force bool
	cmd := c.eachContainer("rmp", func(ctx context.Context, rt internalapi.RuntimeService, id string) error {
		if force {
			if err := rt.StopPodSandbox(ctx, id); err != nil {
				return err
			}
		}
		return rt.RemovePodSandbox(ctx, id)
	})
	cmd.Flags().BoolVarP(&force, "force", "f", false, "stop it first")
	return cmd
}

// eachContainer is a subcommand that does one thing to every ID it is given.
func (c *client) eachContainer(name string, do func(context.Context, internalapi.RuntimeService, string) error) *cobra.Command {
	return &cobra.Command{Use: name + " ID...", Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, ids []string) error {
		rt, err := c.runtime()
		if err != nil {
			return err
		}
		for _, id := range ids {
			if err := do(cmd.Context(), rt, id); err != nil {
				return fmt.Errorf("%s %s: %w", name, id, err)
			}
			fmt.Println(id)
		}
		return nil
	}}
}

func (c *client) imagesCommand() *cobra.Command {
	var quiet bool
	var output string
	cmd := &cobra.Command{Use: "images [NAME]", Aliases: []string{"image"}, Args: cobra.MaximumNArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		service, err := c.images(c.timeout)
		if err != nil {
			return err
		}
		filter := &runtimeapi.ImageFilter{}
		if len(args) == 1 {
			filter.Image = &runtimeapi.ImageSpec{Image: args[0]}
		}
		list, err := service.ListImages(cmd.Context(), filter)
		if err != nil {
			return err
		}
		if output == "json" {
			return printJSON(imageList(list))
		}
		for _, image := range list {
			if quiet {
				fmt.Println(image.Id)
				continue
			}
			fmt.Printf("%.13s  %6.1f MB  %s\n", strings.TrimPrefix(image.Id, "sha256:"), float64(image.Size)/1e6, strings.Join(image.RepoTags, " "))
		}
		return nil
	}}
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "IDs only")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json, or nothing for a table")
	cmd.Flags().Bool("no-trunc", false, "accepted for compatibility")
	return cmd
}

// imageList has the JSON form of protobuf's encoder, in which a 64-bit size is a string.
func imageList(list []*runtimeapi.Image) any {
	type image struct {
		ID          string   `json:"id"`
		RepoTags    []string `json:"repoTags"`
		RepoDigests []string `json:"repoDigests"`
		Size        string   `json:"size"`
		Pinned      bool     `json:"pinned"`
	}
	images := make([]image, 0, len(list))
	for _, i := range list {
		images = append(images, image{i.Id, i.RepoTags, i.RepoDigests, fmt.Sprint(i.Size), i.Pinned})
	}
	return map[string]any{"images": images}
}

func (c *client) pullCommand() *cobra.Command {
	return &cobra.Command{Use: "pull NAME", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		service, err := c.images(pullTimeout)
		if err != nil {
			return err
		}
		ref, err := service.PullImage(cmd.Context(), &runtimeapi.ImageSpec{Image: args[0]}, nil, nil)
		if err != nil {
			return err
		}
		fmt.Println("Image is up to date for", ref)
		return nil
	}}
}

func (c *client) rmiCommand() *cobra.Command {
	return &cobra.Command{Use: "rmi NAME...", Args: cobra.MinimumNArgs(1), RunE: func(cmd *cobra.Command, names []string) error {
		service, err := c.images(c.timeout)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := service.RemoveImage(cmd.Context(), &runtimeapi.ImageSpec{Image: name}); err != nil {
				return fmt.Errorf("rmi %s: %w", name, err)
			}
			fmt.Println("Deleted:", name)
		}
		return nil
	}}
}

// selector is the label selector of a key=value flag; none when the flag is empty.
func selector(label string) map[string]string {
	if label == "" {
		return nil
	}
	key, value, _ := strings.Cut(label, "=")
	return map[string]string{key: value}
}

// rawOrString passes JSON through: the runtime's verbose information is JSON in strings.
func rawOrString(value string) any {
	if json.Valid([]byte(value)) {
		return json.RawMessage(value)
	}
	return value
}

func printJSON(value any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
